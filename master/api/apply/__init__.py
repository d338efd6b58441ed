"""Who owns which field (metadata.managedFields), and server-side apply.

`field_manager` is what the registry calls; below it the algorithms of structured-merge-diff in Python: `path_elements` and
`field_sets` (sets of field paths, kept in the form of FieldsV1), `compare`, `owned`, `merge` and `remove` (walks of a value
with its `MergeType`), `updater` (what an update or an apply does to all managers' sets), `managed_fields` (entries as stored).

Pure functions: no argument is changed, results may share parts with them.
Source: sigs.k8s.io/structured-merge-diff, k8s.io/apimachinery pkg/util/managedfields.
"""
