# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_kcpctl_global_optspecs
    string join \n h/help V/version
end

function __fish_kcpctl_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_kcpctl_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_kcpctl_using_subcommand
    set -l cmd (__fish_kcpctl_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c kcpctl -n "__fish_kcpctl_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kcpctl -n "__fish_kcpctl_needs_command" -s V -l version -d 'Print version'
complete -c kcpctl -n "__fish_kcpctl_needs_command" -f -a "init" -d 'Write the objects that describe an installation'
complete -c kcpctl -n "__fish_kcpctl_needs_command" -f -a "validate" -d 'Check manifests without a cluster'
complete -c kcpctl -n "__fish_kcpctl_needs_command" -f -a "apply" -d 'Apply manifests to a cluster, and wait until they are what they should be'
complete -c kcpctl -n "__fish_kcpctl_needs_command" -f -a "diff" -d 'Show what applying manifests would change'
complete -c kcpctl -n "__fish_kcpctl_needs_command" -f -a "delete" -d 'Delete an installation from a cluster'
complete -c kcpctl -n "__fish_kcpctl_needs_command" -f -a "status" -d 'Show the installations of a cluster'
complete -c kcpctl -n "__fish_kcpctl_needs_command" -f -a "check" -d 'Check an installation in a cluster, or the cluster for one'
complete -c kcpctl -n "__fish_kcpctl_needs_command" -f -a "render" -d 'Print what an installation comes to in a cluster'
complete -c kcpctl -n "__fish_kcpctl_needs_command" -f -a "reconcile" -d 'Make a cluster match its operator.kcp.io objects, and keep doing so'
complete -c kcpctl -n "__fish_kcpctl_needs_command" -f -a "cache" -d 'Run a cache server, look into one, copy what it holds, and tidy up'
complete -c kcpctl -n "__fish_kcpctl_needs_command" -f -a "kubeconfig" -d 'Make kubeconfigs that are proven to work'
complete -c kcpctl -n "__fish_kcpctl_needs_command" -f -a "crds" -d 'Print or apply the definitions of the operator\'s kinds'
complete -c kcpctl -n "__fish_kcpctl_needs_command" -f -a "version" -d 'Show the version of kcpctl, and of what it reaches'
complete -c kcpctl -n "__fish_kcpctl_needs_command" -f -a "completions" -d 'Print a completion script for a shell'
complete -c kcpctl -n "__fish_kcpctl_needs_command" -f -a "man" -d 'Print a page of the manual, or write all pages'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand init; and not __fish_seen_subcommand_from installation" -s h -l help -d 'Print help'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand init; and not __fish_seen_subcommand_from installation" -f -a "installation" -d 'Write the objects of an installation'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand init; and __fish_seen_subcommand_from installation" -s f -l filename -d 'Read the topology from FILE, or from stdin if it is `-`; flags override it' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand init; and __fish_seen_subcommand_from installation" -l profile -d 'Choose what the installation is meant for [default: dev]' -r -f -a "dev\t'As small as can be: one replica and one-member etcds, which lose data with their disk'
production\t'Survives the loss of a node: several shards and replicas, external etcd with TLS'"
complete -c kcpctl -n "__fish_kcpctl_using_subcommand init; and __fish_seen_subcommand_from installation" -l hostname -d 'Set the host name that users reach; production has no default for it [default: the front-proxy\'s name in the cluster]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand init; and __fish_seen_subcommand_from installation" -l port -d 'Set the port that users reach [default: 6443]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand init; and __fish_seen_subcommand_from installation" -s n -l namespace -d 'Set the namespace of all objects [default: NAME]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand init; and __fish_seen_subcommand_from installation" -l shards -d 'Set the shards beside the root shard: how many, or their names [default: 0; production: 2]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand init; and __fish_seen_subcommand_from installation" -l cache -d 'Choose where the cache is [default: embedded; production: server]' -r -f -a "embedded\t'Inside the root shard'
server\t'In a cache server that all shards share'"
complete -c kcpctl -n "__fish_kcpctl_using_subcommand init; and __fish_seen_subcommand_from installation" -l replicas -d 'Set the replicas of shards and front-proxies [default: 1; production: 3]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand init; and __fish_seen_subcommand_from installation" -l cache-replicas -d 'Set the replicas of the cache server [default: 1; production: 2]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand init; and __fish_seen_subcommand_from installation" -l front-proxies -d 'Name the front-proxies [default: main]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand init; and __fish_seen_subcommand_from installation" -l kubeconfigs -d 'Name the kubeconfigs to hand out [default: admin]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand init; and __fish_seen_subcommand_from installation" -l validity -d 'Set how long their certificates are valid, at least an hour [default: 8766h]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand init; and __fish_seen_subcommand_from installation" -l issuer -d 'Name the cert-manager issuer of the root CAs [default: a self-signed Issuer, written too; production: ClusterIssuer/selfsigned]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand init; and __fish_seen_subcommand_from installation" -l image-repository -d 'Set the repository of the image [default: ghcr.io/kcp-dev/kcp]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand init; and __fish_seen_subcommand_from installation" -l image-tag -d 'Set the tag of the image [default: v and the version of kcp]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand init; and __fish_seen_subcommand_from installation" -l kcp-version -d 'Set the version of kcp [default: 0.32.3]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand init; and __fish_seen_subcommand_from installation" -l etcd -d 'Choose whose etcd the servers use [default: dev; production: external]' -r -f -a "external\t'One that is there already'
dev\t'One member of its own, for development'
embedded\t'Inside the cache server: lost with its pod'"
complete -c kcpctl -n "__fish_kcpctl_using_subcommand init; and __fish_seen_subcommand_from installation" -l cache-etcd -d 'Choose whose etcd the cache server uses [default: as --etcd]' -r -f -a "external\t'One that is there already'
dev\t'One member of its own, for development'
embedded\t'Inside the cache server: lost with its pod'"
complete -c kcpctl -n "__fish_kcpctl_using_subcommand init; and __fish_seen_subcommand_from installation" -l etcd-endpoints -d 'Set the members of a server\'s etcd; without NAME those of all servers, which then get a prefix each; repeat it for each server [default: derived from the server\'s name, and marked EDIT]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand init; and __fish_seen_subcommand_from installation" -l etcd-prefix -d 'Set the prefix of a server\'s keys in etcd' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand init; and __fish_seen_subcommand_from installation" -l etcd-tls-secret -d 'Set the Secret with a server\'s client certificate for etcd [default: none; production: etcd-NAME-client]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand init; and __fish_seen_subcommand_from installation" -s o -l output -d 'Write into the folder DIR, or one stream to stdout if it is `-` [default: NAME]' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand init; and __fish_seen_subcommand_from installation" -l kubeconfig -d 'Kubeconfig file that leads to the cluster [default: KUBECONFIG, or ~/.kube/config]' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand init; and __fish_seen_subcommand_from installation" -l context -d 'Context of the kubeconfig to use [default: the current one]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand init; and __fish_seen_subcommand_from installation" -l apply -d 'Apply the objects, and the namespace, to a cluster, as `kcpctl apply` does; a folder is written only if --output names one'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand init; and __fish_seen_subcommand_from installation" -l force -d 'Overwrite files'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand init; and __fish_seen_subcommand_from installation" -l dry-run -d 'Show the files that would be written, and write nothing'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand init; and __fish_seen_subcommand_from installation" -l print-config -d 'Print the topology in effect as a topology file, and write nothing'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand init; and __fish_seen_subcommand_from installation" -s y -l yes -l no-input -d 'Ask nothing: take the default where no flag is given'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand init; and __fish_seen_subcommand_from installation" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand validate" -s f -l filename -d 'Read a file, the manifests in a folder, or stdin if it is `-`; may be repeated' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand validate" -l profile -d 'Choose what the installation is meant for' -r -f -a "dev\t'As small as can be: one replica and one-member etcds, which lose data with their disk'
production\t'Survives the loss of a node: several shards and replicas, external etcd with TLS'"
complete -c kcpctl -n "__fish_kcpctl_using_subcommand validate" -s o -l output -d 'Choose how findings are shown' -r -f -a "text\t'A line for each finding, and one for its hint'
json\t'An object with all findings'"
complete -c kcpctl -n "__fish_kcpctl_using_subcommand validate" -s R -l recursive -d 'Read the folders within a folder too'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand validate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand apply" -s f -l filename -d 'Read a file, the manifests in a folder, or stdin if it is `-`; may be repeated' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand apply" -l profile -d 'Choose what the installation is meant for' -r -f -a "dev\t'As small as can be: one replica and one-member etcds, which lose data with their disk'
production\t'Survives the loss of a node: several shards and replicas, external etcd with TLS'"
complete -c kcpctl -n "__fish_kcpctl_using_subcommand apply" -l dry-run -d 'Only say what would change' -r -f -a "client\t'Send nothing that changes anything'
server\t'Send everything, for the server to check and forget'"
complete -c kcpctl -n "__fish_kcpctl_using_subcommand apply" -l timeout -d 'How long to wait' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand apply" -l kubeconfig -d 'Kubeconfig file that leads to the cluster [default: KUBECONFIG, or ~/.kube/config]' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand apply" -l context -d 'Context of the kubeconfig to use [default: the current one]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand apply" -s n -l namespace -d 'Namespace of what names none [default: that of the context]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand apply" -s R -l recursive -d 'Read the folders within a folder too'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand apply" -l force-conflicts -d 'Take fields over that another manager owns'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand apply" -l prune -d 'Delete what an earlier apply made for this installation and no manifest has any more'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand apply" -l no-wait -d 'Do not wait until the objects are what they should be'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand apply" -s y -l yes -d 'Ask nothing: do what would be asked for'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand apply" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand diff" -s f -l filename -d 'Read a file, the manifests in a folder, or stdin if it is `-`; may be repeated' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand diff" -l kubeconfig -d 'Kubeconfig file that leads to the cluster [default: KUBECONFIG, or ~/.kube/config]' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand diff" -l context -d 'Context of the kubeconfig to use [default: the current one]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand diff" -s n -l namespace -d 'Namespace of what names none [default: that of the context]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand diff" -s R -l recursive -d 'Read the folders within a folder too'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand diff" -l force-conflicts -d 'Take fields over that another manager owns'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand diff" -l prune -d 'Show what `apply --prune` would delete, too'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand delete" -s f -l filename -d 'Read a file, the manifests in a folder, or stdin if it is `-`; may be repeated' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand delete" -l dry-run -d 'Only say what would be deleted' -r -f -a "client\t'Send nothing that changes anything'
server\t'Send everything, for the server to check and forget'"
complete -c kcpctl -n "__fish_kcpctl_using_subcommand delete" -l timeout -d 'How long to wait' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand delete" -l kubeconfig -d 'Kubeconfig file that leads to the cluster [default: KUBECONFIG, or ~/.kube/config]' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand delete" -l context -d 'Context of the kubeconfig to use [default: the current one]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand delete" -s n -l namespace -d 'Namespace of what names none [default: that of the context]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand delete" -s R -l recursive -d 'Read the folders within a folder too'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand delete" -l no-wait -d 'Do not wait until they are gone'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand delete" -s y -l yes -d 'Ask nothing: do what would be asked for'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand status" -l timeout -d 'How long to wait' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand status" -s o -l output -d 'How to show it' -r -f -a "tree\t'A tree, and below it what is not as it should be'
json\t'One JSON document'
yaml\t'One YAML document'"
complete -c kcpctl -n "__fish_kcpctl_using_subcommand status" -l kubeconfig -d 'Kubeconfig file that leads to the cluster [default: KUBECONFIG, or ~/.kube/config]' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand status" -l context -d 'Context of the kubeconfig to use [default: the current one]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand status" -s n -l namespace -d 'Namespace of what names none [default: that of the context]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand status" -s w -l wait -d 'Wait until everything is what it should be'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand check" -s f -l filename -d 'Check the cluster for these manifests; may be repeated' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand check" -l profile -d 'Choose what the installation is meant for' -r -f -a "dev\t'As small as can be: one replica and one-member etcds, which lose data with their disk'
production\t'Survives the loss of a node: several shards and replicas, external etcd with TLS'"
complete -c kcpctl -n "__fish_kcpctl_using_subcommand check" -s o -l output -d 'How to show the result' -r -f -a "text\t'A line for each area and each finding'
json\t'An object with all of them'"
complete -c kcpctl -n "__fish_kcpctl_using_subcommand check" -l kubeconfig -d 'Kubeconfig file that leads to the cluster [default: KUBECONFIG, or ~/.kube/config]' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand check" -l context -d 'Context of the kubeconfig to use [default: the current one]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand check" -s n -l namespace -d 'Namespace of what names none [default: that of the context]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand check" -l pre -d 'Check a cluster in which there is no installation yet'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand check" -l post-upgrade -d 'Take versions that are not the new ones for errors'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand check" -s R -l recursive -d 'Read the folders within a folder too'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand render" -s f -l filename -d 'Read a file, the manifests in a folder, or stdin if it is `-`; may be repeated' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand render" -s n -l namespace -d 'Choose the namespace of objects that name none [default: default]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand render" -s o -l output -d 'Choose how objects are shown' -r -f -a "yaml\t'A document for each'
json\t'A list of all'"
complete -c kcpctl -n "__fish_kcpctl_using_subcommand render" -s R -l recursive -d 'Read the folders within a folder too'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand render" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand reconcile" -l kubeconfig -d 'Kubeconfig file that leads to the cluster [default: KUBECONFIG, ~/.kube/config, or the pod\'s own account]' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand reconcile" -l context -d 'Context of the kubeconfig to use' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand reconcile" -s n -l namespace -d 'Namespace to look after [default: that of the context]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand reconcile" -l kcp-url -d 'URL of kcp\'s servers, with `{service}`, `{namespace}` and `{domain}`' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand reconcile" -l leader-elect-namespace -d 'Namespace of the lease [default: the namespace to look after, or that of the context]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand reconcile" -l listen -d 'Address to serve /livez, /readyz and /metrics at, over HTTP' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand reconcile" -l log-format -d 'Form of the log' -r -f -a "text\t'For people'
json\t'For machines'"
complete -c kcpctl -n "__fish_kcpctl_using_subcommand reconcile" -s v -d 'More in the log; up to `-v=8`' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand reconcile" -s A -l all-namespaces -d 'Look after all namespaces'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand reconcile" -l once -d 'Do what is to be done now, and end'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand reconcile" -l dry-run -d 'Tell what would be changed, and change nothing'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand reconcile" -l adopt -d 'Take over what kcp-operator has made'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand reconcile" -l force -d 'Begin though kcp-operator runs'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand reconcile" -l leader-elect -d 'Work only while holding the lease `reconcile.kcpctl.io`'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand reconcile" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and not __fish_seen_subcommand_from fsck list prune serve snapshot" -s h -l help -d 'Print help'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and not __fish_seen_subcommand_from fsck list prune serve snapshot" -f -a "fsck" -d 'Find what is wrong in a store, and mend it'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and not __fish_seen_subcommand_from fsck list prune serve snapshot" -f -a "list" -d 'Show what a cache server holds'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and not __fish_seen_subcommand_from fsck list prune serve snapshot" -f -a "prune" -d 'Delete what shards that are gone have left in a cache'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and not __fish_seen_subcommand_from fsck list prune serve snapshot" -f -a "serve" -d 'Run the cache server in the foreground'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and not __fish_seen_subcommand_from fsck list prune serve snapshot" -f -a "snapshot" -d 'Copy what a cache holds into a file, and back'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from fsck" -l data-dir -d 'Data directory that no server is using at present' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from fsck" -l etcd-servers -d 'URLs of an etcd\'s members, between commas; servers may go on using it' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from fsck" -l etcd-prefix -d 'What the keys in the store begin with; `/registry` stands for `/cache`' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from fsck" -l etcd-cafile -d 'CAs of etcd\'s members [default: those of the system]' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from fsck" -l etcd-certfile -d 'Certificate that is shown to etcd' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from fsck" -l etcd-keyfile -d 'Private key of that certificate' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from fsck" -l backup -d 'File for a copy of what is deleted [default: `fsck-` and the time]' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from fsck" -l older-than -d 'Take no shard for gone of which something changed within this time' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from fsck" -s o -l output -d 'How to show the result' -r -f -a "table\t'Columns for a reader'
wide\t'More columns'
json\t'One JSON document'
yaml\t'One YAML document'
name\t'One name a line'"
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from fsck" -l fix -d 'Delete what nobody misses, after a question'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from fsck" -l yes -d 'Delete without a question'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from fsck" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from list" -l shard -d 'Shard to read, or `*` for all' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from list" -l cluster -d 'Logical cluster to read, or `*` for all' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from list" -s o -l output -d 'How to show the result' -r -f -a "table\t'Columns for a reader'
wide\t'More columns'
json\t'One JSON document'
yaml\t'One YAML document'
name\t'One name a line'"
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from list" -s l -l selector -d 'Only objects with these labels, such as `a=b,c!=d`' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from list" -s n -l namespace -d 'Only objects in this namespace' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from list" -l chunk-size -d 'Most objects to ask for at once' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from list" -l by -d 'Count by these alone (can be repeated)' -r -f -a "resource\t''
shard\t''
cluster\t''"
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from list" -l kubeconfig -d 'Kubeconfig file that leads to the cache server' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from list" -l context -d 'Context of the kubeconfig to use' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from list" -s A -l all-namespaces -d 'Objects in all namespaces, as without `--namespace`'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from list" -s w -l watch -d 'After the list, show every change until interrupted'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from list" -l bytes -d 'Measure the objects, also on a server that does not count them itself'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from prune" -l shard -d 'Shard whose objects are deleted' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from prune" -l older-than -d 'Take no shard for gone of which something changed within this time [default: 1h]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from prune" -s o -l output -d 'How to show the result' -r -f -a "table\t'Columns for a reader'
wide\t'More columns'
json\t'One JSON document'
yaml\t'One YAML document'
name\t'One name a line'"
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from prune" -l kubeconfig -d 'Kubeconfig file that leads to the cache server' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from prune" -l context -d 'Context of the kubeconfig to use' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from prune" -l orphans -d 'Delete the objects of all shards that are gone'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from prune" -l force -d 'Delete the objects of the shard also if it is not gone, or cannot be judged'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from prune" -l dry-run -d 'Show what would be deleted, and delete nothing'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from prune" -l yes -d 'Delete without a question'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -l data-dir -l root-directory -d 'Directory of certificates, kubeconfigs and the store' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -l embedded-etcd-directory -d 'Directory of the store [default: `store` in the data directory]' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -l etcd-servers -d 'URLs of an etcd\'s members, between commas, that keeps the data instead [default: none]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -l etcd-prefix -d 'What the keys in the store begin with; `/registry` stands for `/cache`' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -l etcd-cafile -d 'CAs of etcd\'s members [default: those of the system]' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -l etcd-certfile -d 'Certificate that is shown to etcd' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -l etcd-keyfile -d 'Private key of that certificate' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -l etcd-compaction-interval -d 'How often etcd is made to forget old changes; 0 is never' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -l etcd-healthcheck-timeout -d 'Time in which etcd must answer to count as well' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -l listen -d 'Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:6443]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -l bind-address -d 'Address to listen on [default: 127.0.0.1]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -l secure-port -d 'Port to listen on [default: 6443]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -l tls-cert-file -d 'Serving certificate, with those that lead to its CA, instead of one made here' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -l tls-private-key-file -d 'Private key of the serving certificate' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -l client-ca-file -d 'CAs whose client certificates are believed, instead of one made here' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -l tls-san -d 'Name or address that the certificate made here is valid for, beyond localhost' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -l tls-min-version -d 'Least version of TLS: `VersionTLS12` or `VersionTLS13`' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -l tls-cipher-suites -d 'Cipher suites that may be used, by their names in Go, between commas' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -l tls-curve-preferences -d 'Key exchanges that may be used, by their numbers, between commas' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -l manifests -d 'Folder of an installation\'s manifests' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -l name -d 'Which cache server of the manifests this one is, if there are several' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -l prune-orphans-after -d 'Delete what a shard left that has been gone for this long [default: never]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -l history-bytes -d 'Memory for recent changes, which watches resume from [default: 256MiB]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -l memory-limit -d 'Memory for objects and recent changes [default: the container\'s, but for a tenth]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -l max-requests-inflight -d 'Requests that read and are answered at once; more get 429. 0 is no limit' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -l max-mutating-requests-inflight -d 'Requests that write and are answered at once; more get 429. 0 is no limit' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -l max-watches -d 'Watches that are open at once; more get 429. 0 is no limit' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -l http2-max-streams-per-connection -d 'Requests that one HTTP/2 connection may have open; more wait at the client' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -l stall-timeout -d 'Time after which a client is closed that does not read what waits for it' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -l bookmark-interval -d 'Time after which a watch that asked for bookmarks is told how far it has come' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -l gzip -d 'For whom large lists are compressed, of those clients that ask for it' -r -f -a "remote\t'Clients on other machines: on this one it would cost more time than it saves'
always\t'Everyone'
never\t'No one'"
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -l synthetic-delay -d 'Time that each request waits before anything else, to try out slow networks' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -l log-format -l logging-format -d 'Form of the log, which goes to stderr' -r -f -a "text\t'For people'
json\t'For machines'"
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -s v -d 'More in the log; up to `-v=8`' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from snapshot" -s h -l help -d 'Print help'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from snapshot" -f -a "save" -d 'Take a snapshot of a running server, of a stopped one\'s data, or of an etcd'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from snapshot" -f -a "inspect" -d 'Check a snapshot, and show what it holds'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand cache; and __fish_seen_subcommand_from snapshot" -f -a "restore" -d 'Put a snapshot into the data of a stopped server, or into an etcd'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand kubeconfig; and not __fish_seen_subcommand_from create" -s h -l help -d 'Print help'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand kubeconfig; and not __fish_seen_subcommand_from create" -f -a "create" -d 'Make a kubeconfig for one user'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand kubeconfig; and __fish_seen_subcommand_from create" -l target -d 'Server to enter: rootshard/X, shard/X, frontproxy/X or cacheserver/X' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand kubeconfig; and __fish_seen_subcommand_from create" -l user -d 'User: the certificate\'s common name [default: NAME]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand kubeconfig; and __fish_seen_subcommand_from create" -l group -d 'Group of the user; may be repeated' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand kubeconfig; and __fish_seen_subcommand_from create" -l validity -d 'Life of the certificate, an hour at least, such as 24h or 8760h' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand kubeconfig; and __fish_seen_subcommand_from create" -s W -l workspace -d 'Workspace to begin in [default: root]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand kubeconfig; and __fish_seen_subcommand_from create" -l server -d 'URL of the server, without a workspace' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand kubeconfig; and __fish_seen_subcommand_from create" -s n -l namespace -d 'Namespace of the target, the Secret and the object' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand kubeconfig; and __fish_seen_subcommand_from create" -l data-dir -d 'Data directory of `kcpctl cache serve`: its client CA signs' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand kubeconfig; and __fish_seen_subcommand_from create" -l ca-cert -d 'Certificate of the CA that the server believes clients of' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand kubeconfig; and __fish_seen_subcommand_from create" -l ca-key -d 'Private key of that CA' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand kubeconfig; and __fish_seen_subcommand_from create" -l ca-secret -d 'Manifest of a Secret with that CA, `-` for stdin' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand kubeconfig; and __fish_seen_subcommand_from create" -l server-ca -d 'CA that vouches for the server, where the sources above do not hold it' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand kubeconfig; and __fish_seen_subcommand_from create" -s o -l output -d 'What to write' -r -f -a "kubeconfig\t'A kubeconfig'
secret\t'A v1 Secret with the key `kubeconfig`, ready to apply'
manifest\t'The operator\'s Kubeconfig object, for the operator to sign'"
complete -c kcpctl -n "__fish_kcpctl_using_subcommand kubeconfig; and __fish_seen_subcommand_from create" -l secret-name -d 'Name of the Secret that carries the kubeconfig [default: NAME]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand kubeconfig; and __fish_seen_subcommand_from create" -l output-file -d 'File to write, readable by its owner only' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand kubeconfig; and __fish_seen_subcommand_from create" -l merge -d 'Merge into a kubeconfig [default: the first one of KUBECONFIG, or ~/.kube/config]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand kubeconfig; and __fish_seen_subcommand_from create" -l rename -d 'Other name for the entries that are merged' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand kubeconfig; and __fish_seen_subcommand_from create" -l force -d 'Replace a file, or entries of the same name'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand kubeconfig; and __fish_seen_subcommand_from create" -l set-current-context -d 'Make the merged context the current one'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand kubeconfig; and __fish_seen_subcommand_from create" -l verify -d 'Connect with what was written and say whom the server sees'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand kubeconfig; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand crds" -s o -l output -d 'How to print them' -r -f -a "yaml\t'A document for each'
json\t'A list of all'"
complete -c kcpctl -n "__fish_kcpctl_using_subcommand crds" -l dry-run -d 'Only say what would change' -r -f -a "client\t'Send nothing that changes anything'
server\t'Send everything, for the server to check and forget'"
complete -c kcpctl -n "__fish_kcpctl_using_subcommand crds" -l timeout -d 'How long to wait' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand crds" -l kubeconfig -d 'Kubeconfig file that leads to the cluster [default: KUBECONFIG, or ~/.kube/config]' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand crds" -l context -d 'Context of the kubeconfig to use [default: the current one]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand crds" -l apply -d 'Put them into the cluster instead of printing them'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand crds" -l force-conflicts -d 'Take fields over that another manager owns'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand crds" -l no-wait -d 'Do not wait until they are served'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand crds" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand version" -s o -l output -d 'How to show it' -r -f -a "text\t''
json\t''
yaml\t''"
complete -c kcpctl -n "__fish_kcpctl_using_subcommand version" -l kubeconfig -d 'Kubeconfig file that leads to the cluster [default: KUBECONFIG, or ~/.kube/config]' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand version" -l context -d 'Context of the kubeconfig to use [default: the current one]' -r
complete -c kcpctl -n "__fish_kcpctl_using_subcommand version" -l client -d 'Ask no cluster'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand version" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand completions" -s h -l help -d 'Print help'
complete -c kcpctl -n "__fish_kcpctl_using_subcommand man" -l output-dir -d 'Write every page into this folder, which is made if need be' -r -F
complete -c kcpctl -n "__fish_kcpctl_using_subcommand man" -s h -l help -d 'Print help'
