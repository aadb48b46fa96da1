{{/* The metric of a pod that prometheus-adapter gives to the autoscaler: deploy/helm/prometheus-adapter.yaml has the same queries. */}}
{{- define "singleshot.metric" -}}
{{ eq .metric "queue" | ternary "singleshot_queue_seconds" "singleshot_engine_utilisation" }}
{{- end }}

{{/* The sum of that metric over the pods, which KEDA divides by their number. Takes a dict of metric and pods, a selector. */}}
{{- define "singleshot.query" -}}
{{- if eq .metric "queue" -}}
sum(sum by (pod) (rate(singleshot_stage_duration_seconds_sum{stage="queue", {{ .pods }}}[1m])) / (sum by (pod) (rate(singleshot_stage_duration_seconds_count{stage="queue", {{ .pods }}}[1m])) > 0)) or vector(0)
{{- else -}}
sum(max by (pod) (rate(singleshot_worker_busy_seconds_total{ {{- .pods -}} }[1m]) / singleshot_engine_streams{ {{- .pods -}} }))
{{- end -}}
{{- end }}
