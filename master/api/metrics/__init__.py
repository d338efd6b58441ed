"""metrics.k8s.io: what nodes and pods use now, asked of the nodes when somebody asks. Nothing of it is stored.

`kinds` declares NodeMetrics and PodMetrics, `usages` asks the nodes, `sources` makes the objects, `resource_metrics` joins
them to the registry. The API is metrics-server's, whose clients (kubectl top, autoscalers) know no other.
"""
