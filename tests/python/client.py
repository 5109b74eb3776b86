"""Drives a cache server with the official Python client.

Usage: client.py KUBECONFIG

Prints one line of JSON a step. The test that runs it knows what each must be.
"""

import json
import sys

from kubernetes import client, config, dynamic, watch

GROUP, VERSION, PLURAL = "core.kcp.io", "v1alpha1", "shards"


def tell(step, value):
    print(json.dumps([step, value]), flush=True)


def shard(name, labels=None):
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "Shard",
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {"baseURL": f"https://{name}.example.com"},
    }


def main(kubeconfig):
    api = config.new_client_from_config(kubeconfig)
    objects = client.CustomObjectsApi(api)

    def call(verb, *args, **options):
        method = getattr(objects, f"{verb}_cluster_custom_object")
        return method(GROUP, VERSION, *args, **options)

    # Typed calls on the group's REST paths.
    created = call("create", PLURAL, shard("one", {"tier": "a"}))
    tell("create", created["metadata"]["generation"])
    call("create", PLURAL, shard("two"))
    created["spec"]["externalURL"] = "https://example.org"
    replaced = call("replace", PLURAL, "one", created)
    tell("replace", replaced["metadata"]["generation"])
    try:
        call("replace", PLURAL, "one", created)
    except client.ApiException as error:
        tell("conflict", [error.status, json.loads(error.body)["reason"]])
    patched = call("patch", PLURAL, "two", {"metadata": {"labels": {"tier": "b"}}})
    tell("patch", patched["metadata"]["labels"])
    page = call("list", PLURAL, limit=1)
    tell("page", [len(page["items"]), page["metadata"]["remainingItemCount"]])
    selected = call("list", PLURAL, label_selector="tier in (b)")
    tell("selector", [item["metadata"]["name"] for item in selected["items"]])

    # A watch from the revision of a list, and what happens after it.
    listed = call("list", PLURAL)
    call("create", PLURAL, shard("three"))
    call("delete", PLURAL, "one")
    events = watch.Watch()
    told = []
    for event in events.stream(
        objects.list_cluster_custom_object,
        GROUP,
        VERSION,
        PLURAL,
        resource_version=listed["metadata"]["resourceVersion"],
        timeout_seconds=60,
    ):
        told.append([event["type"], event["object"]["metadata"]["name"]])
        if len(told) == 2:
            events.stop()
    tell("watch", told)

    # The dynamic client finds out by discovery what there is.
    kinds = dynamic.DynamicClient(api).resources
    found = kinds.get(api_version=f"{GROUP}/{VERSION}", kind="Shard")
    tell("discovery", [found.name, found.namespaced])
    tell("dynamic", sorted(item.metadata.name for item in found.get().items))


main(sys.argv[1])
