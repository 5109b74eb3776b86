//! The messages of the types that are read: number, name and form of each field.

/// The fields of a message.
pub(super) type Message = &'static [Field];

/// A field of a message.
#[derive(Clone, Copy)]
pub(super) struct Field {
    pub(super) number: u64,
    /// As JSON names it.
    pub(super) name: &'static str,
    pub(super) form: Form,
    /// Whether JSON has it also when it is zero or empty.
    pub(super) is_pointer: bool,
}

/// How a field is written.
#[derive(Clone, Copy)]
pub(super) enum Form {
    Text,
    Bool,
    Number,
    /// Base64 in JSON.
    Bytes,
    /// RFC 3339 in JSON, in seconds.
    Time,
    /// The same in microseconds.
    MicroTime,
    /// A number or a text.
    IntOrString,
    /// JSON as bytes.
    Json,
    Message(&'static [Field]),
    List(&'static Form),
    /// From texts to texts, bytes or messages.
    Map(&'static Form),
}

use Form::{Bool, Bytes, IntOrString, Json, List, MicroTime, Number, Text, Time};

impl Field {
    pub(super) const fn new(number: u64, name: &'static str, form: Form) -> Self {
        Self { number, name, form, is_pointer: false }
    }
}

/// A field that is left out where it is zero or empty.
const fn plain(number: u64, name: &'static str, form: Form) -> Field {
    Field::new(number, name, form)
}

/// A field that is there or not, whatever it holds.
const fn maybe(number: u64, name: &'static str, form: Form) -> Field {
    Field { is_pointer: true, ..Field::new(number, name, form) }
}

const TEXTS: Form = List(&Text);
const TEXT_BY_NAME: Form = Form::Map(&Text);
const BYTES_BY_NAME: Form = Form::Map(&Bytes);

/// What stands around every object: what it is, and the object.
pub(super) const TYPE: u64 = 1;
pub(super) const OBJECT: u64 = 2;

/// What it is.
pub(super) const API_VERSION: u64 = 1;
pub(super) const KIND: u64 = 2;

/// An element of a map.
pub(super) const MAP_KEY: u64 = 1;
pub(super) const MAP_VALUE: u64 = 2;

/// What stands around JSON.
pub(super) const JSON: u64 = 1;

pub(super) const TIME: Message = &[maybe(1, "seconds", Number), maybe(2, "nanos", Number)];
pub(super) const INT_OR_STRING: Message =
    &[maybe(1, "type", Number), maybe(2, "intVal", Number), maybe(3, "strVal", Text)];

const METADATA: Field = plain(
    1,
    "metadata",
    Form::Message(&[
        plain(1, "name", Text),
        plain(2, "generateName", Text),
        plain(3, "namespace", Text),
        plain(4, "selfLink", Text),
        plain(5, "uid", Text),
        plain(6, "resourceVersion", Text),
        plain(7, "generation", Number),
        plain(8, "creationTimestamp", Time),
        maybe(9, "deletionTimestamp", Time),
        maybe(10, "deletionGracePeriodSeconds", Number),
        plain(11, "labels", TEXT_BY_NAME),
        plain(12, "annotations", TEXT_BY_NAME),
        plain(
            13,
            "ownerReferences",
            List(&Form::Message(&[
                plain(1, "kind", Text),
                plain(3, "name", Text),
                plain(4, "uid", Text),
                plain(5, "apiVersion", Text),
                maybe(6, "controller", Bool),
                maybe(7, "blockOwnerDeletion", Bool),
            ])),
        ),
        plain(14, "finalizers", TEXTS),
        plain(
            17,
            "managedFields",
            List(&Form::Message(&[
                plain(1, "manager", Text),
                plain(2, "operation", Text),
                plain(3, "apiVersion", Text),
                maybe(4, "time", Time),
                plain(6, "fieldsType", Text),
                maybe(7, "fieldsV1", Json),
                plain(8, "subresource", Text),
            ])),
        ),
    ]),
);

const CONDITIONS: Form = List(&Form::Message(&[
    plain(1, "type", Text),
    plain(2, "status", Text),
    plain(3, "observedGeneration", Number),
    plain(4, "lastTransitionTime", Time),
    plain(5, "reason", Text),
    plain(6, "message", Text),
]));

const OBJECT_REFERENCE: Form = Form::Message(&[
    plain(1, "kind", Text),
    plain(2, "namespace", Text),
    plain(3, "name", Text),
    plain(4, "uid", Text),
    plain(5, "apiVersion", Text),
    plain(6, "resourceVersion", Text),
    plain(7, "fieldPath", Text),
]);

const SECRET: Message = &[
    METADATA,
    plain(2, "data", BYTES_BY_NAME),
    plain(3, "type", Text),
    plain(4, "stringData", TEXT_BY_NAME),
    maybe(5, "immutable", Bool),
];

const CONFIG_MAP: Message = &[
    METADATA,
    plain(2, "data", TEXT_BY_NAME),
    plain(3, "binaryData", BYTES_BY_NAME),
    maybe(4, "immutable", Bool),
];

const NAMESPACE: Message = &[
    METADATA,
    plain(2, "spec", Form::Message(&[plain(1, "finalizers", TEXTS)])),
    plain(
        3,
        "status",
        Form::Message(&[plain(1, "phase", Text), plain(2, "conditions", NAMESPACE_CONDITIONS)]),
    ),
];

const NAMESPACE_CONDITIONS: Form = List(&Form::Message(&[
    plain(1, "type", Text),
    plain(2, "status", Text),
    plain(4, "lastTransitionTime", Time),
    plain(5, "reason", Text),
    plain(6, "message", Text),
]));

const SERVICE: Message = &[
    METADATA,
    plain(
        2,
        "spec",
        Form::Message(&[
            plain(
                1,
                "ports",
                List(&Form::Message(&[
                    plain(1, "name", Text),
                    plain(2, "protocol", Text),
                    // It must be given, whatever it is.
                    maybe(3, "port", Number),
                    plain(4, "targetPort", IntOrString),
                    plain(5, "nodePort", Number),
                    maybe(6, "appProtocol", Text),
                ])),
            ),
            plain(2, "selector", TEXT_BY_NAME),
            plain(3, "clusterIP", Text),
            plain(4, "type", Text),
            plain(5, "externalIPs", TEXTS),
            plain(7, "sessionAffinity", Text),
            plain(8, "loadBalancerIP", Text),
            plain(9, "loadBalancerSourceRanges", TEXTS),
            plain(10, "externalName", Text),
            plain(11, "externalTrafficPolicy", Text),
            plain(12, "healthCheckNodePort", Number),
            plain(13, "publishNotReadyAddresses", Bool),
            maybe(
                14,
                "sessionAffinityConfig",
                Form::Message(&[maybe(
                    1,
                    "clientIP",
                    Form::Message(&[maybe(1, "timeoutSeconds", Number)]),
                )]),
            ),
            maybe(17, "ipFamilyPolicy", Text),
            plain(18, "clusterIPs", TEXTS),
            plain(19, "ipFamilies", TEXTS),
            maybe(20, "allocateLoadBalancerNodePorts", Bool),
            maybe(21, "loadBalancerClass", Text),
            maybe(22, "internalTrafficPolicy", Text),
            maybe(23, "trafficDistribution", Text),
        ]),
    ),
    plain(
        3,
        "status",
        Form::Message(&[
            plain(
                1,
                "loadBalancer",
                Form::Message(&[plain(
                    1,
                    "ingress",
                    List(&Form::Message(&[
                        plain(1, "ip", Text),
                        plain(2, "hostname", Text),
                        maybe(3, "ipMode", Text),
                    ])),
                )]),
            ),
            plain(2, "conditions", CONDITIONS),
        ]),
    ),
];

const EVENT: Message = &[
    METADATA,
    plain(2, "involvedObject", OBJECT_REFERENCE),
    plain(3, "reason", Text),
    plain(4, "message", Text),
    plain(5, "source", Form::Message(&[plain(1, "component", Text), plain(2, "host", Text)])),
    plain(6, "firstTimestamp", Time),
    plain(7, "lastTimestamp", Time),
    plain(8, "count", Number),
    plain(9, "type", Text),
    plain(10, "eventTime", MicroTime),
    maybe(
        11,
        "series",
        Form::Message(&[plain(1, "count", Number), plain(2, "lastObservedTime", MicroTime)]),
    ),
    plain(12, "action", Text),
    maybe(13, "related", OBJECT_REFERENCE),
    // These must be given, whatever they are.
    maybe(14, "reportingComponent", Text),
    maybe(15, "reportingInstance", Text),
];

const LEASE: Message = &[
    METADATA,
    plain(
        2,
        "spec",
        Form::Message(&[
            maybe(1, "holderIdentity", Text),
            maybe(2, "leaseDurationSeconds", Number),
            maybe(3, "acquireTime", MicroTime),
            maybe(4, "renewTime", MicroTime),
            maybe(5, "leaseTransitions", Number),
            maybe(6, "strategy", Text),
            maybe(7, "preferredHolder", Text),
        ]),
    ),
];

const POD_DISRUPTION_BUDGET: Message = &[
    METADATA,
    plain(
        2,
        "spec",
        Form::Message(&[
            maybe(1, "minAvailable", IntOrString),
            maybe(
                2,
                "selector",
                Form::Message(&[
                    plain(1, "matchLabels", TEXT_BY_NAME),
                    plain(
                        2,
                        "matchExpressions",
                        List(&Form::Message(&[
                            plain(1, "key", Text),
                            plain(2, "operator", Text),
                            plain(3, "values", TEXTS),
                        ])),
                    ),
                ]),
            ),
            maybe(3, "maxUnavailable", IntOrString),
            maybe(4, "unhealthyPodEvictionPolicy", Text),
        ]),
    ),
    plain(
        3,
        "status",
        Form::Message(&[
            plain(1, "observedGeneration", Number),
            plain(2, "disruptedPods", Form::Map(&Time)),
            maybe(3, "disruptionsAllowed", Number),
            maybe(4, "currentHealthy", Number),
            maybe(5, "desiredHealthy", Number),
            maybe(6, "expectedPods", Number),
            plain(7, "conditions", CONDITIONS),
        ]),
    ),
];

const DELETE_OPTIONS: Message = &[
    maybe(1, "gracePeriodSeconds", Number),
    maybe(
        2,
        "preconditions",
        Form::Message(&[maybe(1, "uid", Text), maybe(2, "resourceVersion", Text)]),
    ),
    maybe(3, "orphanDependents", Bool),
    maybe(4, "propagationPolicy", Text),
    plain(5, "dryRun", TEXTS),
];

/// The message of a type, if it is read.
pub(super) fn of(api_version: &str, kind: &str) -> Option<Message> {
    Some(match (api_version, kind) {
        ("v1", "Secret") => SECRET,
        ("v1", "ConfigMap") => CONFIG_MAP,
        ("v1", "Namespace") => NAMESPACE,
        ("v1", "Service") => SERVICE,
        ("v1", "Event") => EVENT,
        ("coordination.k8s.io/v1", "Lease") => LEASE,
        ("policy/v1", "PodDisruptionBudget") => POD_DISRUPTION_BUDGET,
        // Clients name it in the group of what they delete.
        (_, "DeleteOptions") => DELETE_OPTIONS,
        _ => return None,
    })
}
