
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'kcpctl' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'kcpctl'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'kcpctl' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('init', 'init', [CompletionResultType]::ParameterValue, 'Write the objects that describe an installation')
            [CompletionResult]::new('validate', 'validate', [CompletionResultType]::ParameterValue, 'Check manifests without a cluster')
            [CompletionResult]::new('apply', 'apply', [CompletionResultType]::ParameterValue, 'Apply manifests to a cluster, and wait until they are what they should be')
            [CompletionResult]::new('diff', 'diff', [CompletionResultType]::ParameterValue, 'Show what applying manifests would change')
            [CompletionResult]::new('delete', 'delete', [CompletionResultType]::ParameterValue, 'Delete an installation from a cluster')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show the installations of a cluster')
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Check an installation in a cluster, or the cluster for one')
            [CompletionResult]::new('render', 'render', [CompletionResultType]::ParameterValue, 'Print what an installation comes to in a cluster')
            [CompletionResult]::new('reconcile', 'reconcile', [CompletionResultType]::ParameterValue, 'Make a cluster match its operator.kcp.io objects, and keep doing so')
            [CompletionResult]::new('cache', 'cache', [CompletionResultType]::ParameterValue, 'Run a cache server, look into one, copy what it holds, and tidy up')
            [CompletionResult]::new('kubeconfig', 'kubeconfig', [CompletionResultType]::ParameterValue, 'Make kubeconfigs that are proven to work')
            [CompletionResult]::new('crds', 'crds', [CompletionResultType]::ParameterValue, 'Print or apply the definitions of the operator''s kinds')
            [CompletionResult]::new('version', 'version', [CompletionResultType]::ParameterValue, 'Show the version of kcpctl, and of what it reaches')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print a completion script for a shell')
            [CompletionResult]::new('man', 'man', [CompletionResultType]::ParameterValue, 'Print a page of the manual, or write all pages')
            break
        }
        'kcpctl;init' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('installation', 'installation', [CompletionResultType]::ParameterValue, 'Write the objects of an installation')
            break
        }
        'kcpctl;init;installation' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read the topology from FILE, or from stdin if it is `-`; flags override it')
            [CompletionResult]::new('--filename', '--filename', [CompletionResultType]::ParameterName, 'Read the topology from FILE, or from stdin if it is `-`; flags override it')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Choose what the installation is meant for [default: dev]')
            [CompletionResult]::new('--hostname', '--hostname', [CompletionResultType]::ParameterName, 'Set the host name that users reach; production has no default for it [default: the front-proxy''s name in the cluster]')
            [CompletionResult]::new('--port', '--port', [CompletionResultType]::ParameterName, 'Set the port that users reach [default: 6443]')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Set the namespace of all objects [default: NAME]')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Set the namespace of all objects [default: NAME]')
            [CompletionResult]::new('--shards', '--shards', [CompletionResultType]::ParameterName, 'Set the shards beside the root shard: how many, or their names [default: 0; production: 2]')
            [CompletionResult]::new('--cache', '--cache', [CompletionResultType]::ParameterName, 'Choose where the cache is [default: embedded; production: server]')
            [CompletionResult]::new('--replicas', '--replicas', [CompletionResultType]::ParameterName, 'Set the replicas of shards and front-proxies [default: 1; production: 3]')
            [CompletionResult]::new('--cache-replicas', '--cache-replicas', [CompletionResultType]::ParameterName, 'Set the replicas of the cache server [default: 1; production: 2]')
            [CompletionResult]::new('--front-proxies', '--front-proxies', [CompletionResultType]::ParameterName, 'Name the front-proxies [default: main]')
            [CompletionResult]::new('--kubeconfigs', '--kubeconfigs', [CompletionResultType]::ParameterName, 'Name the kubeconfigs to hand out [default: admin]')
            [CompletionResult]::new('--validity', '--validity', [CompletionResultType]::ParameterName, 'Set how long their certificates are valid, at least an hour [default: 8766h]')
            [CompletionResult]::new('--issuer', '--issuer', [CompletionResultType]::ParameterName, 'Name the cert-manager issuer of the root CAs [default: a self-signed Issuer, written too; production: ClusterIssuer/selfsigned]')
            [CompletionResult]::new('--image-repository', '--image-repository', [CompletionResultType]::ParameterName, 'Set the repository of the image [default: ghcr.io/kcp-dev/kcp]')
            [CompletionResult]::new('--image-tag', '--image-tag', [CompletionResultType]::ParameterName, 'Set the tag of the image [default: v and the version of kcp]')
            [CompletionResult]::new('--kcp-version', '--kcp-version', [CompletionResultType]::ParameterName, 'Set the version of kcp [default: 0.32.3]')
            [CompletionResult]::new('--etcd', '--etcd', [CompletionResultType]::ParameterName, 'Choose whose etcd the servers use [default: dev; production: external]')
            [CompletionResult]::new('--cache-etcd', '--cache-etcd', [CompletionResultType]::ParameterName, 'Choose whose etcd the cache server uses [default: as --etcd]')
            [CompletionResult]::new('--etcd-endpoints', '--etcd-endpoints', [CompletionResultType]::ParameterName, 'Set the members of a server''s etcd; without NAME those of all servers, which then get a prefix each; repeat it for each server [default: derived from the server''s name, and marked EDIT]')
            [CompletionResult]::new('--etcd-prefix', '--etcd-prefix', [CompletionResultType]::ParameterName, 'Set the prefix of a server''s keys in etcd')
            [CompletionResult]::new('--etcd-tls-secret', '--etcd-tls-secret', [CompletionResultType]::ParameterName, 'Set the Secret with a server''s client certificate for etcd [default: none; production: etcd-NAME-client]')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Write into the folder DIR, or one stream to stdout if it is `-` [default: NAME]')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Write into the folder DIR, or one stream to stdout if it is `-` [default: NAME]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Kubeconfig file that leads to the cluster [default: KUBECONFIG, or ~/.kube/config]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use [default: the current one]')
            [CompletionResult]::new('--apply', '--apply', [CompletionResultType]::ParameterName, 'Apply the objects, and the namespace, to a cluster, as `kcpctl apply` does; a folder is written only if --output names one')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Overwrite files')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show the files that would be written, and write nothing')
            [CompletionResult]::new('--print-config', '--print-config', [CompletionResultType]::ParameterName, 'Print the topology in effect as a topology file, and write nothing')
            [CompletionResult]::new('-y', '-y', [CompletionResultType]::ParameterName, 'Ask nothing: take the default where no flag is given')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'Ask nothing: take the default where no flag is given')
            [CompletionResult]::new('--no-input', '--no-input', [CompletionResultType]::ParameterName, 'Ask nothing: take the default where no flag is given')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'kcpctl;validate' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a file, the manifests in a folder, or stdin if it is `-`; may be repeated')
            [CompletionResult]::new('--filename', '--filename', [CompletionResultType]::ParameterName, 'Read a file, the manifests in a folder, or stdin if it is `-`; may be repeated')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Choose what the installation is meant for')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Choose how findings are shown')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Choose how findings are shown')
            [CompletionResult]::new('-R', '-R ', [CompletionResultType]::ParameterName, 'Read the folders within a folder too')
            [CompletionResult]::new('--recursive', '--recursive', [CompletionResultType]::ParameterName, 'Read the folders within a folder too')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'kcpctl;apply' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a file, the manifests in a folder, or stdin if it is `-`; may be repeated')
            [CompletionResult]::new('--filename', '--filename', [CompletionResultType]::ParameterName, 'Read a file, the manifests in a folder, or stdin if it is `-`; may be repeated')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Choose what the installation is meant for')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Only say what would change')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'How long to wait')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Kubeconfig file that leads to the cluster [default: KUBECONFIG, or ~/.kube/config]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use [default: the current one]')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace of what names none [default: that of the context]')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace of what names none [default: that of the context]')
            [CompletionResult]::new('-R', '-R ', [CompletionResultType]::ParameterName, 'Read the folders within a folder too')
            [CompletionResult]::new('--recursive', '--recursive', [CompletionResultType]::ParameterName, 'Read the folders within a folder too')
            [CompletionResult]::new('--force-conflicts', '--force-conflicts', [CompletionResultType]::ParameterName, 'Take fields over that another manager owns')
            [CompletionResult]::new('--prune', '--prune', [CompletionResultType]::ParameterName, 'Delete what an earlier apply made for this installation and no manifest has any more')
            [CompletionResult]::new('--no-wait', '--no-wait', [CompletionResultType]::ParameterName, 'Do not wait until the objects are what they should be')
            [CompletionResult]::new('-y', '-y', [CompletionResultType]::ParameterName, 'Ask nothing: do what would be asked for')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'Ask nothing: do what would be asked for')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'kcpctl;diff' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a file, the manifests in a folder, or stdin if it is `-`; may be repeated')
            [CompletionResult]::new('--filename', '--filename', [CompletionResultType]::ParameterName, 'Read a file, the manifests in a folder, or stdin if it is `-`; may be repeated')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Kubeconfig file that leads to the cluster [default: KUBECONFIG, or ~/.kube/config]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use [default: the current one]')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace of what names none [default: that of the context]')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace of what names none [default: that of the context]')
            [CompletionResult]::new('-R', '-R ', [CompletionResultType]::ParameterName, 'Read the folders within a folder too')
            [CompletionResult]::new('--recursive', '--recursive', [CompletionResultType]::ParameterName, 'Read the folders within a folder too')
            [CompletionResult]::new('--force-conflicts', '--force-conflicts', [CompletionResultType]::ParameterName, 'Take fields over that another manager owns')
            [CompletionResult]::new('--prune', '--prune', [CompletionResultType]::ParameterName, 'Show what `apply --prune` would delete, too')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'kcpctl;delete' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a file, the manifests in a folder, or stdin if it is `-`; may be repeated')
            [CompletionResult]::new('--filename', '--filename', [CompletionResultType]::ParameterName, 'Read a file, the manifests in a folder, or stdin if it is `-`; may be repeated')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Only say what would be deleted')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'How long to wait')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Kubeconfig file that leads to the cluster [default: KUBECONFIG, or ~/.kube/config]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use [default: the current one]')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace of what names none [default: that of the context]')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace of what names none [default: that of the context]')
            [CompletionResult]::new('-R', '-R ', [CompletionResultType]::ParameterName, 'Read the folders within a folder too')
            [CompletionResult]::new('--recursive', '--recursive', [CompletionResultType]::ParameterName, 'Read the folders within a folder too')
            [CompletionResult]::new('--no-wait', '--no-wait', [CompletionResultType]::ParameterName, 'Do not wait until they are gone')
            [CompletionResult]::new('-y', '-y', [CompletionResultType]::ParameterName, 'Ask nothing: do what would be asked for')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'Ask nothing: do what would be asked for')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'kcpctl;status' {
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'How long to wait')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to show it')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to show it')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Kubeconfig file that leads to the cluster [default: KUBECONFIG, or ~/.kube/config]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use [default: the current one]')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace of what names none [default: that of the context]')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace of what names none [default: that of the context]')
            [CompletionResult]::new('-w', '-w', [CompletionResultType]::ParameterName, 'Wait until everything is what it should be')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Wait until everything is what it should be')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'kcpctl;check' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Check the cluster for these manifests; may be repeated')
            [CompletionResult]::new('--filename', '--filename', [CompletionResultType]::ParameterName, 'Check the cluster for these manifests; may be repeated')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Choose what the installation is meant for')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to show the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to show the result')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Kubeconfig file that leads to the cluster [default: KUBECONFIG, or ~/.kube/config]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use [default: the current one]')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace of what names none [default: that of the context]')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace of what names none [default: that of the context]')
            [CompletionResult]::new('--pre', '--pre', [CompletionResultType]::ParameterName, 'Check a cluster in which there is no installation yet')
            [CompletionResult]::new('--post-upgrade', '--post-upgrade', [CompletionResultType]::ParameterName, 'Take versions that are not the new ones for errors')
            [CompletionResult]::new('-R', '-R ', [CompletionResultType]::ParameterName, 'Read the folders within a folder too')
            [CompletionResult]::new('--recursive', '--recursive', [CompletionResultType]::ParameterName, 'Read the folders within a folder too')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'kcpctl;render' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a file, the manifests in a folder, or stdin if it is `-`; may be repeated')
            [CompletionResult]::new('--filename', '--filename', [CompletionResultType]::ParameterName, 'Read a file, the manifests in a folder, or stdin if it is `-`; may be repeated')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Choose the namespace of objects that name none [default: default]')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Choose the namespace of objects that name none [default: default]')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Choose how objects are shown')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Choose how objects are shown')
            [CompletionResult]::new('-R', '-R ', [CompletionResultType]::ParameterName, 'Read the folders within a folder too')
            [CompletionResult]::new('--recursive', '--recursive', [CompletionResultType]::ParameterName, 'Read the folders within a folder too')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'kcpctl;reconcile' {
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Kubeconfig file that leads to the cluster [default: KUBECONFIG, ~/.kube/config, or the pod''s own account]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace to look after [default: that of the context]')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace to look after [default: that of the context]')
            [CompletionResult]::new('--kcp-url', '--kcp-url', [CompletionResultType]::ParameterName, 'URL of kcp''s servers, with `{service}`, `{namespace}` and `{domain}`')
            [CompletionResult]::new('--leader-elect-namespace', '--leader-elect-namespace', [CompletionResultType]::ParameterName, 'Namespace of the lease [default: the namespace to look after, or that of the context]')
            [CompletionResult]::new('--listen', '--listen', [CompletionResultType]::ParameterName, 'Address to serve /livez, /readyz and /metrics at, over HTTP')
            [CompletionResult]::new('--log-format', '--log-format', [CompletionResultType]::ParameterName, 'Form of the log')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'More in the log; up to `-v=8`')
            [CompletionResult]::new('-A', '-A ', [CompletionResultType]::ParameterName, 'Look after all namespaces')
            [CompletionResult]::new('--all-namespaces', '--all-namespaces', [CompletionResultType]::ParameterName, 'Look after all namespaces')
            [CompletionResult]::new('--once', '--once', [CompletionResultType]::ParameterName, 'Do what is to be done now, and end')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Tell what would be changed, and change nothing')
            [CompletionResult]::new('--adopt', '--adopt', [CompletionResultType]::ParameterName, 'Take over what kcp-operator has made')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Begin though kcp-operator runs')
            [CompletionResult]::new('--leader-elect', '--leader-elect', [CompletionResultType]::ParameterName, 'Work only while holding the lease `reconcile.kcpctl.io`')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'kcpctl;cache' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('fsck', 'fsck', [CompletionResultType]::ParameterValue, 'Find what is wrong in a store, and mend it')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'Show what a cache server holds')
            [CompletionResult]::new('prune', 'prune', [CompletionResultType]::ParameterValue, 'Delete what shards that are gone have left in a cache')
            [CompletionResult]::new('serve', 'serve', [CompletionResultType]::ParameterValue, 'Run the cache server in the foreground')
            [CompletionResult]::new('snapshot', 'snapshot', [CompletionResultType]::ParameterValue, 'Copy what a cache holds into a file, and back')
            break
        }
        'kcpctl;cache;fsck' {
            [CompletionResult]::new('--data-dir', '--data-dir', [CompletionResultType]::ParameterName, 'Data directory that no server is using at present')
            [CompletionResult]::new('--etcd-servers', '--etcd-servers', [CompletionResultType]::ParameterName, 'URLs of an etcd''s members, between commas; servers may go on using it')
            [CompletionResult]::new('--etcd-prefix', '--etcd-prefix', [CompletionResultType]::ParameterName, 'What the keys in the store begin with; `/registry` stands for `/cache`')
            [CompletionResult]::new('--etcd-cafile', '--etcd-cafile', [CompletionResultType]::ParameterName, 'CAs of etcd''s members [default: those of the system]')
            [CompletionResult]::new('--etcd-certfile', '--etcd-certfile', [CompletionResultType]::ParameterName, 'Certificate that is shown to etcd')
            [CompletionResult]::new('--etcd-keyfile', '--etcd-keyfile', [CompletionResultType]::ParameterName, 'Private key of that certificate')
            [CompletionResult]::new('--backup', '--backup', [CompletionResultType]::ParameterName, 'File for a copy of what is deleted [default: `fsck-` and the time]')
            [CompletionResult]::new('--older-than', '--older-than', [CompletionResultType]::ParameterName, 'Take no shard for gone of which something changed within this time')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to show the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to show the result')
            [CompletionResult]::new('--fix', '--fix', [CompletionResultType]::ParameterName, 'Delete what nobody misses, after a question')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'Delete without a question')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'kcpctl;cache;list' {
            [CompletionResult]::new('--shard', '--shard', [CompletionResultType]::ParameterName, 'Shard to read, or `*` for all')
            [CompletionResult]::new('--cluster', '--cluster', [CompletionResultType]::ParameterName, 'Logical cluster to read, or `*` for all')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to show the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to show the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'Only objects with these labels, such as `a=b,c!=d`')
            [CompletionResult]::new('--selector', '--selector', [CompletionResultType]::ParameterName, 'Only objects with these labels, such as `a=b,c!=d`')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Only objects in this namespace')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Only objects in this namespace')
            [CompletionResult]::new('--chunk-size', '--chunk-size', [CompletionResultType]::ParameterName, 'Most objects to ask for at once')
            [CompletionResult]::new('--by', '--by', [CompletionResultType]::ParameterName, 'Count by these alone (can be repeated)')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Kubeconfig file that leads to the cache server')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('-A', '-A ', [CompletionResultType]::ParameterName, 'Objects in all namespaces, as without `--namespace`')
            [CompletionResult]::new('--all-namespaces', '--all-namespaces', [CompletionResultType]::ParameterName, 'Objects in all namespaces, as without `--namespace`')
            [CompletionResult]::new('-w', '-w', [CompletionResultType]::ParameterName, 'After the list, show every change until interrupted')
            [CompletionResult]::new('--watch', '--watch', [CompletionResultType]::ParameterName, 'After the list, show every change until interrupted')
            [CompletionResult]::new('--bytes', '--bytes', [CompletionResultType]::ParameterName, 'Measure the objects, also on a server that does not count them itself')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'kcpctl;cache;prune' {
            [CompletionResult]::new('--shard', '--shard', [CompletionResultType]::ParameterName, 'Shard whose objects are deleted')
            [CompletionResult]::new('--older-than', '--older-than', [CompletionResultType]::ParameterName, 'Take no shard for gone of which something changed within this time [default: 1h]')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to show the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to show the result')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Kubeconfig file that leads to the cache server')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--orphans', '--orphans', [CompletionResultType]::ParameterName, 'Delete the objects of all shards that are gone')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Delete the objects of the shard also if it is not gone, or cannot be judged')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what would be deleted, and delete nothing')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'Delete without a question')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'kcpctl;cache;serve' {
            [CompletionResult]::new('--data-dir', '--data-dir', [CompletionResultType]::ParameterName, 'Directory of certificates, kubeconfigs and the store')
            [CompletionResult]::new('--root-directory', '--root-directory', [CompletionResultType]::ParameterName, 'Directory of certificates, kubeconfigs and the store')
            [CompletionResult]::new('--embedded-etcd-directory', '--embedded-etcd-directory', [CompletionResultType]::ParameterName, 'Directory of the store [default: `store` in the data directory]')
            [CompletionResult]::new('--etcd-servers', '--etcd-servers', [CompletionResultType]::ParameterName, 'URLs of an etcd''s members, between commas, that keeps the data instead [default: none]')
            [CompletionResult]::new('--etcd-prefix', '--etcd-prefix', [CompletionResultType]::ParameterName, 'What the keys in the store begin with; `/registry` stands for `/cache`')
            [CompletionResult]::new('--etcd-cafile', '--etcd-cafile', [CompletionResultType]::ParameterName, 'CAs of etcd''s members [default: those of the system]')
            [CompletionResult]::new('--etcd-certfile', '--etcd-certfile', [CompletionResultType]::ParameterName, 'Certificate that is shown to etcd')
            [CompletionResult]::new('--etcd-keyfile', '--etcd-keyfile', [CompletionResultType]::ParameterName, 'Private key of that certificate')
            [CompletionResult]::new('--etcd-compaction-interval', '--etcd-compaction-interval', [CompletionResultType]::ParameterName, 'How often etcd is made to forget old changes; 0 is never')
            [CompletionResult]::new('--etcd-healthcheck-timeout', '--etcd-healthcheck-timeout', [CompletionResultType]::ParameterName, 'Time in which etcd must answer to count as well')
            [CompletionResult]::new('--listen', '--listen', [CompletionResultType]::ParameterName, 'Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:6443]')
            [CompletionResult]::new('--bind-address', '--bind-address', [CompletionResultType]::ParameterName, 'Address to listen on [default: 127.0.0.1]')
            [CompletionResult]::new('--secure-port', '--secure-port', [CompletionResultType]::ParameterName, 'Port to listen on [default: 6443]')
            [CompletionResult]::new('--tls-cert-file', '--tls-cert-file', [CompletionResultType]::ParameterName, 'Serving certificate, with those that lead to its CA, instead of one made here')
            [CompletionResult]::new('--tls-private-key-file', '--tls-private-key-file', [CompletionResultType]::ParameterName, 'Private key of the serving certificate')
            [CompletionResult]::new('--client-ca-file', '--client-ca-file', [CompletionResultType]::ParameterName, 'CAs whose client certificates are believed, instead of one made here')
            [CompletionResult]::new('--tls-san', '--tls-san', [CompletionResultType]::ParameterName, 'Name or address that the certificate made here is valid for, beyond localhost')
            [CompletionResult]::new('--tls-min-version', '--tls-min-version', [CompletionResultType]::ParameterName, 'Least version of TLS: `VersionTLS12` or `VersionTLS13`')
            [CompletionResult]::new('--tls-cipher-suites', '--tls-cipher-suites', [CompletionResultType]::ParameterName, 'Cipher suites that may be used, by their names in Go, between commas')
            [CompletionResult]::new('--tls-curve-preferences', '--tls-curve-preferences', [CompletionResultType]::ParameterName, 'Key exchanges that may be used, by their numbers, between commas')
            [CompletionResult]::new('--manifests', '--manifests', [CompletionResultType]::ParameterName, 'Folder of an installation''s manifests')
            [CompletionResult]::new('--name', '--name', [CompletionResultType]::ParameterName, 'Which cache server of the manifests this one is, if there are several')
            [CompletionResult]::new('--prune-orphans-after', '--prune-orphans-after', [CompletionResultType]::ParameterName, 'Delete what a shard left that has been gone for this long [default: never]')
            [CompletionResult]::new('--history-bytes', '--history-bytes', [CompletionResultType]::ParameterName, 'Memory for recent changes, which watches resume from [default: 256MiB]')
            [CompletionResult]::new('--memory-limit', '--memory-limit', [CompletionResultType]::ParameterName, 'Memory for objects and recent changes [default: the container''s, but for a tenth]')
            [CompletionResult]::new('--max-requests-inflight', '--max-requests-inflight', [CompletionResultType]::ParameterName, 'Requests that read and are answered at once; more get 429. 0 is no limit')
            [CompletionResult]::new('--max-mutating-requests-inflight', '--max-mutating-requests-inflight', [CompletionResultType]::ParameterName, 'Requests that write and are answered at once; more get 429. 0 is no limit')
            [CompletionResult]::new('--max-watches', '--max-watches', [CompletionResultType]::ParameterName, 'Watches that are open at once; more get 429. 0 is no limit')
            [CompletionResult]::new('--http2-max-streams-per-connection', '--http2-max-streams-per-connection', [CompletionResultType]::ParameterName, 'Requests that one HTTP/2 connection may have open; more wait at the client')
            [CompletionResult]::new('--stall-timeout', '--stall-timeout', [CompletionResultType]::ParameterName, 'Time after which a client is closed that does not read what waits for it')
            [CompletionResult]::new('--bookmark-interval', '--bookmark-interval', [CompletionResultType]::ParameterName, 'Time after which a watch that asked for bookmarks is told how far it has come')
            [CompletionResult]::new('--gzip', '--gzip', [CompletionResultType]::ParameterName, 'For whom large lists are compressed, of those clients that ask for it')
            [CompletionResult]::new('--synthetic-delay', '--synthetic-delay', [CompletionResultType]::ParameterName, 'Time that each request waits before anything else, to try out slow networks')
            [CompletionResult]::new('--log-format', '--log-format', [CompletionResultType]::ParameterName, 'Form of the log, which goes to stderr')
            [CompletionResult]::new('--logging-format', '--logging-format', [CompletionResultType]::ParameterName, 'Form of the log, which goes to stderr')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'More in the log; up to `-v=8`')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'kcpctl;cache;snapshot' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('save', 'save', [CompletionResultType]::ParameterValue, 'Take a snapshot of a running server, of a stopped one''s data, or of an etcd')
            [CompletionResult]::new('inspect', 'inspect', [CompletionResultType]::ParameterValue, 'Check a snapshot, and show what it holds')
            [CompletionResult]::new('restore', 'restore', [CompletionResultType]::ParameterValue, 'Put a snapshot into the data of a stopped server, or into an etcd')
            break
        }
        'kcpctl;cache;snapshot;save' {
            [CompletionResult]::new('--data-dir', '--data-dir', [CompletionResultType]::ParameterName, 'Data directory that no server is using at present')
            [CompletionResult]::new('--etcd-servers', '--etcd-servers', [CompletionResultType]::ParameterName, 'URLs of an etcd''s members, between commas; servers may go on using it')
            [CompletionResult]::new('--etcd-prefix', '--etcd-prefix', [CompletionResultType]::ParameterName, 'What the keys in the store begin with; `/registry` stands for `/cache`')
            [CompletionResult]::new('--etcd-cafile', '--etcd-cafile', [CompletionResultType]::ParameterName, 'CAs of etcd''s members [default: those of the system]')
            [CompletionResult]::new('--etcd-certfile', '--etcd-certfile', [CompletionResultType]::ParameterName, 'Certificate that is shown to etcd')
            [CompletionResult]::new('--etcd-keyfile', '--etcd-keyfile', [CompletionResultType]::ParameterName, 'Private key of that certificate')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Kubeconfig file that leads to the cache server')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Overwrite the file if it is there')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'kcpctl;cache;snapshot;inspect' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to show the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to show the result')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'kcpctl;cache;snapshot;restore' {
            [CompletionResult]::new('--data-dir', '--data-dir', [CompletionResultType]::ParameterName, 'Data directory that no server is using at present')
            [CompletionResult]::new('--etcd-servers', '--etcd-servers', [CompletionResultType]::ParameterName, 'URLs of an etcd''s members, between commas; servers may go on using it')
            [CompletionResult]::new('--etcd-prefix', '--etcd-prefix', [CompletionResultType]::ParameterName, 'What the keys in the store begin with; `/registry` stands for `/cache`')
            [CompletionResult]::new('--etcd-cafile', '--etcd-cafile', [CompletionResultType]::ParameterName, 'CAs of etcd''s members [default: those of the system]')
            [CompletionResult]::new('--etcd-certfile', '--etcd-certfile', [CompletionResultType]::ParameterName, 'Certificate that is shown to etcd')
            [CompletionResult]::new('--etcd-keyfile', '--etcd-keyfile', [CompletionResultType]::ParameterName, 'Private key of that certificate')
            [CompletionResult]::new('--merge', '--merge', [CompletionResultType]::ParameterName, 'Add to the objects that are there; what both have stays as it is')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Restore into an etcd also if its revisions are below those of the snapshot')
            [CompletionResult]::new('--raw', '--raw', [CompletionResultType]::ParameterName, 'Take keys and values as they are, also such as no server can read')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'kcpctl;kubeconfig' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('create', 'create', [CompletionResultType]::ParameterValue, 'Make a kubeconfig for one user')
            break
        }
        'kcpctl;kubeconfig;create' {
            [CompletionResult]::new('--target', '--target', [CompletionResultType]::ParameterName, 'Server to enter: rootshard/X, shard/X, frontproxy/X or cacheserver/X')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'User: the certificate''s common name [default: NAME]')
            [CompletionResult]::new('--group', '--group', [CompletionResultType]::ParameterName, 'Group of the user; may be repeated')
            [CompletionResult]::new('--validity', '--validity', [CompletionResultType]::ParameterName, 'Life of the certificate, an hour at least, such as 24h or 8760h')
            [CompletionResult]::new('-W', '-W ', [CompletionResultType]::ParameterName, 'Workspace to begin in [default: root]')
            [CompletionResult]::new('--workspace', '--workspace', [CompletionResultType]::ParameterName, 'Workspace to begin in [default: root]')
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'URL of the server, without a workspace')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace of the target, the Secret and the object')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace of the target, the Secret and the object')
            [CompletionResult]::new('--data-dir', '--data-dir', [CompletionResultType]::ParameterName, 'Data directory of `kcpctl cache serve`: its client CA signs')
            [CompletionResult]::new('--ca-cert', '--ca-cert', [CompletionResultType]::ParameterName, 'Certificate of the CA that the server believes clients of')
            [CompletionResult]::new('--ca-key', '--ca-key', [CompletionResultType]::ParameterName, 'Private key of that CA')
            [CompletionResult]::new('--ca-secret', '--ca-secret', [CompletionResultType]::ParameterName, 'Manifest of a Secret with that CA, `-` for stdin')
            [CompletionResult]::new('--server-ca', '--server-ca', [CompletionResultType]::ParameterName, 'CA that vouches for the server, where the sources above do not hold it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'What to write')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'What to write')
            [CompletionResult]::new('--secret-name', '--secret-name', [CompletionResultType]::ParameterName, 'Name of the Secret that carries the kubeconfig [default: NAME]')
            [CompletionResult]::new('--output-file', '--output-file', [CompletionResultType]::ParameterName, 'File to write, readable by its owner only')
            [CompletionResult]::new('--merge', '--merge', [CompletionResultType]::ParameterName, 'Merge into a kubeconfig [default: the first one of KUBECONFIG, or ~/.kube/config]')
            [CompletionResult]::new('--rename', '--rename', [CompletionResultType]::ParameterName, 'Other name for the entries that are merged')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Replace a file, or entries of the same name')
            [CompletionResult]::new('--set-current-context', '--set-current-context', [CompletionResultType]::ParameterName, 'Make the merged context the current one')
            [CompletionResult]::new('--verify', '--verify', [CompletionResultType]::ParameterName, 'Connect with what was written and say whom the server sees')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'kcpctl;crds' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print them')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print them')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Only say what would change')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'How long to wait')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Kubeconfig file that leads to the cluster [default: KUBECONFIG, or ~/.kube/config]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use [default: the current one]')
            [CompletionResult]::new('--apply', '--apply', [CompletionResultType]::ParameterName, 'Put them into the cluster instead of printing them')
            [CompletionResult]::new('--force-conflicts', '--force-conflicts', [CompletionResultType]::ParameterName, 'Take fields over that another manager owns')
            [CompletionResult]::new('--no-wait', '--no-wait', [CompletionResultType]::ParameterName, 'Do not wait until they are served')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'kcpctl;version' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to show it')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to show it')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Kubeconfig file that leads to the cluster [default: KUBECONFIG, or ~/.kube/config]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use [default: the current one]')
            [CompletionResult]::new('--client', '--client', [CompletionResultType]::ParameterName, 'Ask no cluster')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'kcpctl;completions' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'kcpctl;man' {
            [CompletionResult]::new('--output-dir', '--output-dir', [CompletionResultType]::ParameterName, 'Write every page into this folder, which is made if need be')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
