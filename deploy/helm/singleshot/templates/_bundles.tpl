{{/* Whether a bundle's image is mounted as a volume; empty if it is not. */}}
{{- define "singleshot.mountsImages" -}}
{{- $mode := .Values.imageVolumes -}}
{{- if or (eq $mode "always") (and (eq $mode "auto") (semverCompare ">=1.35-0" .Capabilities.KubeVersion.Version)) }}true{{ end -}}
{{- end }}

{{/* Whether a container copies a bundle before the server starts; empty if it does not. Takes a dict of root and bundle. */}}
{{- define "singleshot.isCopied" -}}
{{- if or .bundle.url (and .bundle.image (not (include "singleshot.mountsImages" .root))) }}true{{ end -}}
{{- end }}

{{/* The directory where a server finds a bundle. Takes a dict of root and bundle.

A claim is mounted whole, not by subPath, so that a server sees a folder that another one has replaced. */}}
{{- define "singleshot.place" -}}
{{- with .bundle -}}
{{- if .claim }}{{ printf "/claims/%s/%s" .claim (.path | default "" | trimAll "/") | trimSuffix "/" -}}
{{- else if include "singleshot.isCopied" $ }}/bundles/{{ .name -}}
{{- else }}/images/{{ .name }}{{ end -}}
{{- end -}}
{{- end }}

{{/* The volumes of the bundles. */}}
{{- define "singleshot.bundleVolumes" -}}
{{- $root := . }}{{ $claims := list }}{{ $copied := false -}}
{{- range .Values.bundles -}}
  {{- if .claim }}{{ $claims = append $claims .claim | uniq -}}
  {{- else if include "singleshot.isCopied" (dict "root" $root "bundle" .) }}{{ $copied = true -}}
  {{- else }}
- name: image-{{ .name }}
  image: {reference: {{ .image | quote }}, pullPolicy: {{ $root.Values.imagePullPolicy }}}
  {{- end -}}
{{- end -}}
{{- range $index, $claim := $claims }}
- name: claim-{{ $index }}
  persistentVolumeClaim: {claimName: {{ quote $claim }}, readOnly: true}
{{- end }}
{{- if $copied }}
- name: bundles
  emptyDir: {sizeLimit: {{ .Values.fetch.size }}}
{{- end }}
{{- end }}

{{/* Where a server's container has these volumes. */}}
{{- define "singleshot.bundleMounts" -}}
{{- $root := . }}{{ $claims := list }}{{ $copied := false -}}
{{- range .Values.bundles -}}
  {{- if .claim }}{{ $claims = append $claims .claim | uniq -}}
  {{- else if include "singleshot.isCopied" (dict "root" $root "bundle" .) }}{{ $copied = true -}}
  {{- else }}
- {name: image-{{ .name }}, mountPath: /images/{{ .name }}, readOnly: true
  {{- with .path | default "" | trimAll "/" }}, subPath: {{ quote . }}{{ end }}}
  {{- end -}}
{{- end -}}
{{- range $index, $claim := $claims }}
- {name: claim-{{ $index }}, mountPath: /claims/{{ $claim }}, readOnly: true}
{{- end }}
{{- if $copied }}
- {name: bundles, mountPath: /bundles, readOnly: true}
{{- end }}
{{- end }}

{{/* The containers that copy bundles before the server starts. Takes a dict of root and values (.cpu or .gpu). */}}
{{- define "singleshot.bundleContainers" -}}
{{- $root := .root }}{{ $values := .values -}}
{{- range .root.Values.bundles }}
{{- if include "singleshot.isCopied" (dict "root" $root "bundle" .) }}
- name: fetch-{{ .name }}
  {{- if .url }}
  image: {{ $values.image }}
  command: [python, -m, service.fetch, {{ quote .url }}, --out, /bundles/{{ .name }}]
  {{- with $root.Values.fetch.secret }}
  envFrom: [{secretRef: {name: {{ quote . }}}}]
  {{- end }}
  {{- with include "singleshot.env" $root }}
  env: {{- . | nindent 4 }}
  {{- end }}
  {{- else }}
  image: {{ .image }}
  {{- $path := .path | default "" | trimSuffix "/" }}
  {{- if not $path }}{{ fail (printf "the bundle %s needs a path: a container copies it from its image" .name) }}{{ end }}
  # what is in the folder, so that a container that starts again replaces what the first one has copied
  command: [cp, -r, {{ printf "%s/." $path | quote }}, /bundles/{{ .name }}]
  {{- end }}
  {{- include "singleshot.container" $root | nindent 2 }}
  resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {memory: 1Gi}}
  volumeMounts:
    - {name: bundles, mountPath: /bundles}
    - {name: tmp, mountPath: /tmp}
{{- end }}
{{- end }}
{{- end }}
