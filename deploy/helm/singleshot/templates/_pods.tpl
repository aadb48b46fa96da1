{{/* What each pod of the release has, whatever it runs. Takes a dict of root, component, kind, values
(.Values.cpu and the like) and user. */}}
{{- define "singleshot.pod" -}}
automountServiceAccountToken: false
# Otherwise the Service would add variables such as SINGLESHOT_PORT to each container
enableServiceLinks: false
{{- with .root.Values.serviceAccountName }}
serviceAccountName: {{ quote . }}
{{- end }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .user }}
  runAsGroup: {{ .user }}
  fsGroup: {{ .user }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .values.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with .values.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- with .values.affinity }}
affinity: {{ toJson . }}
{{- end }}
{{- if .root.Values.topologyKeys }}
topologySpreadConstraints:
  {{- range .root.Values.topologyKeys }}
  - topologyKey: {{ . }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "singleshot.selector" $ | nindent 8 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* What each container of the release has. */}}
{{- define "singleshot.container" -}}
imagePullPolicy: {{ .Values.imagePullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* Requests and limits as JSON. Their numbers become text, because Kubernetes 1.20 refuses to apply others. */}}
{{- define "singleshot.resources" -}}
{{ regexReplaceAll `:([0-9.]+)([,}])` (toJson .) `:"${1}"${2}` }}
{{- end }}
