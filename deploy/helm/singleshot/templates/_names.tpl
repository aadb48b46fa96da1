{{/* The name of all objects of the release, with room for suffixes. */}}
{{- define "singleshot.name" -}}
{{- $name := .Release.Name -}}
{{- if not (contains .Chart.Name $name) }}{{ $name = printf "%s-%s" $name .Chart.Name }}{{ end -}}
{{- $name | replace "." "-" | trunc 50 | trimSuffix "-" -}}
{{- end }}

{{/* The labels by which selectors find pods. Takes a dict of root and, for those of one kind, component (server or proxy)
and kind (cpu or gpu). */}}
{{- define "singleshot.selector" -}}
app.kubernetes.io/name: singleshot
app.kubernetes.io/instance: {{ quote .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- with .kind }}
singleshot/processor: {{ . }}
{{- end }}
{{- end }}

{{/* All labels of an object. Takes what singleshot.selector takes. */}}
{{- define "singleshot.labels" -}}
{{ include "singleshot.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{/* The kinds of servers that run: a list of cpu and gpu. */}}
{{- define "singleshot.kinds" -}}
{{- $kinds := list -}}
{{- range list "cpu" "gpu" }}{{ if (index $.Values .).enabled }}{{ $kinds = append $kinds . }}{{ end }}{{ end -}}
{{- if not $kinds }}{{ fail "cpu.enabled and gpu.enabled are both false: set one of them" }}{{ end -}}
{{- $kinds | toJson -}}
{{- end }}

{{/* The name that DNS has for the replicas on CPUs or GPUs. Takes a dict of root and kind. */}}
{{- define "singleshot.replicas" -}}
{{ include "singleshot.name" .root }}-{{ .kind }}.{{ .root.Release.Namespace }}.svc.{{ .root.Values.clusterDomain }}:8000
{{- end }}

{{/* The most replicas that a kind of servers may have. Takes its values. */}}
{{- define "singleshot.maxReplicas" -}}
{{- if eq .autoscaling.by "none" }}{{ .replicas }}{{ else }}{{ .autoscaling.maxReplicas }}{{ end -}}
{{- end }}
