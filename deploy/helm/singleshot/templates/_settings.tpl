{{/* A value as the text of an environment variable; Helm reads 33554432 as 3.3554432e+07. */}}
{{- define "singleshot.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ int64 . }}{{ else }}{{ . }}{{ end -}}
{{- end }}

{{/* The settings of a kind of servers, as JSON. Takes a dict of root and values (.cpu or .gpu). */}}
{{- define "singleshot.settings" -}}
{{- $settings := dict -}}
{{- range $name, $value := .root.Values.settings }}{{ $_ := set $settings $name $value }}{{ end -}}
{{- range $name, $value := .values.settings }}{{ $_ := set $settings $name $value }}{{ end -}}
{{- toJson $settings -}}
{{- end }}

{{/* The seconds after SIGTERM until a server has answered what it accepted. Takes the settings. */}}
{{- define "singleshot.drainSeconds" -}}
{{- addf (.DRAIN_GRACE_SECONDS | default 2) (.DRAIN_LIMIT_SECONDS | default 30) | ceil | int -}}
{{- end }}

{{/* The environment of a server. Takes a dict of root, kind, component and values (.cpu or .gpu). */}}
{{- define "singleshot.environment" -}}
{{- $root := .root -}}
{{- $main := list }}{{ $canaries := list -}}
{{- $names := list -}}
{{- range $bundle := $root.Values.bundles -}}
  {{- if has .name $names }}{{ fail (printf "two bundles are named %s: give one another name" .name) }}{{ end -}}
  {{- $names = append $names .name -}}
  {{- $place := include "singleshot.place" (dict "root" $root "bundle" $bundle) -}}
  {{- if .canary }}{{ $canaries = append $canaries $place }}{{ else }}{{ $main = append $main $place }}{{ end -}}
{{- end -}}
{{- if and $canaries (not $main) }}{{ fail "bundles has only canaries: add a bundle without `canary: true`" }}{{ end -}}
{{- with $main }}
- {name: SINGLESHOT_BUNDLES, value: {{ join ":" . | quote }}}
{{- end }}
{{- with $canaries }}
- {name: SINGLESHOT_CANARIES, value: {{ join ":" . | quote }}}
- {name: SINGLESHOT_CANARY_SHARE, value: {{ include "singleshot.text" $root.Values.canaryShare | quote }}}
{{- end }}
{{- if include "singleshot.keysSecret" $root }}
- {name: SINGLESHOT_API_KEYS_FILE, value: /etc/singleshot/keys}
{{- end }}
{{- range $name, $value := include "singleshot.settings" . | fromJson }}
- {name: SINGLESHOT_{{ $name }}, value: {{ include "singleshot.text" $value | quote }}}
{{- end }}
{{- if and $root.Values.proxy.enabled (not (hasKey $root.Values.env "FORWARDED_ALLOW_IPS")) }}
# only the proxy reaches the servers; it passes on the address for rate limits
- {name: FORWARDED_ALLOW_IPS, value: "*"}
{{- end }}
{{- include "singleshot.env" $root }}
{{- end }}

{{/* The environment variables of the user. */}}
{{- define "singleshot.env" -}}
{{- range $name, $value := .Values.env }}
- {name: {{ quote $name }}, value: {{ include "singleshot.text" $value | quote }}}
{{- end }}
{{- end }}

{{/* The name of the Secret with the API keys; empty if the server answers everybody. */}}
{{- define "singleshot.keysSecret" -}}
{{- with .Values.apiKeys -}}
{{- if and .secret .clients }}{{ fail "apiKeys.secret and apiKeys.clients are both set: set one of them" }}{{ end -}}
{{- if .clients }}{{ include "singleshot.name" $ }}-keys{{ else }}{{ .secret }}{{ end -}}
{{- end -}}
{{- end }}
