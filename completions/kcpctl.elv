
use builtin;
use str;

set edit:completion:arg-completer[kcpctl] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'kcpctl'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'kcpctl'= {
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
            cand init 'Write the objects that describe an installation'
            cand validate 'Check manifests without a cluster'
            cand render 'Print what an installation comes to in a cluster'
            cand reconcile 'Make a cluster match its operator.kcp.io objects, and keep doing so'
            cand cache 'Run a cache server, look into one, copy what it holds, and tidy up'
            cand kubeconfig 'Make kubeconfigs that are proven to work'
            cand crds 'Print the definitions of the operator''s kinds'
            cand version 'Show the version of kcpctl'
            cand completions 'Print a completion script for a shell'
            cand man 'Print a page of the manual, or write all pages'
        }
        &'kcpctl;init'= {
            cand -h 'Print help'
            cand --help 'Print help'
            cand installation 'Write the objects of an installation'
        }
        &'kcpctl;init;installation'= {
            cand -f 'Read the topology from FILE, or from stdin if it is `-`; flags override it'
            cand --filename 'Read the topology from FILE, or from stdin if it is `-`; flags override it'
            cand --profile 'Choose what the installation is meant for [default: dev]'
            cand --hostname 'Set the host name that users reach; production has no default for it [default: the front-proxy''s name in the cluster]'
            cand --port 'Set the port that users reach [default: 6443]'
            cand -n 'Set the namespace of all objects [default: NAME]'
            cand --namespace 'Set the namespace of all objects [default: NAME]'
            cand --shards 'Set the shards beside the root shard: how many, or their names [default: 0; production: 2]'
            cand --cache 'Choose where the cache is [default: embedded; production: server]'
            cand --replicas 'Set the replicas of shards and front-proxies [default: 1; production: 3]'
            cand --cache-replicas 'Set the replicas of the cache server [default: 1; production: 2]'
            cand --front-proxies 'Name the front-proxies [default: main]'
            cand --kubeconfigs 'Name the kubeconfigs to hand out [default: admin]'
            cand --validity 'Set how long their certificates are valid, at least an hour [default: 8766h]'
            cand --issuer 'Name the cert-manager issuer of the root CAs [default: a self-signed Issuer, written too; production: ClusterIssuer/selfsigned]'
            cand --image-repository 'Set the repository of the image [default: ghcr.io/kcp-dev/kcp]'
            cand --image-tag 'Set the tag of the image [default: v and the version of kcp]'
            cand --kcp-version 'Set the version of kcp [default: 0.32.3]'
            cand --etcd 'Choose whose etcd the servers use [default: dev; production: external]'
            cand --cache-etcd 'Choose whose etcd the cache server uses [default: as --etcd]'
            cand --etcd-endpoints 'Set the members of a server''s etcd; without NAME those of all servers, which then get a prefix each; repeat it for each server [default: derived from the server''s name, and marked EDIT]'
            cand --etcd-prefix 'Set the prefix of a server''s keys in etcd'
            cand --etcd-tls-secret 'Set the Secret with a server''s client certificate for etcd [default: none; production: etcd-NAME-client]'
            cand -o 'Write into the folder DIR, or one stream to stdout if it is `-` [default: NAME]'
            cand --output 'Write into the folder DIR, or one stream to stdout if it is `-` [default: NAME]'
            cand --force 'Overwrite files'
            cand --dry-run 'Show the files that would be written, and write nothing'
            cand --print-config 'Print the topology in effect as a topology file, and write nothing'
            cand -y 'Ask nothing: take the default where no flag is given'
            cand --yes 'Ask nothing: take the default where no flag is given'
            cand --no-input 'Ask nothing: take the default where no flag is given'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'kcpctl;validate'= {
            cand -f 'Read a file, the manifests in a folder, or stdin if it is `-`; may be repeated'
            cand --filename 'Read a file, the manifests in a folder, or stdin if it is `-`; may be repeated'
            cand --profile 'Choose what the installation is meant for'
            cand -o 'Choose how findings are shown'
            cand --output 'Choose how findings are shown'
            cand -R 'Read the folders within a folder too'
            cand --recursive 'Read the folders within a folder too'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'kcpctl;render'= {
            cand -f 'Read a file, the manifests in a folder, or stdin if it is `-`; may be repeated'
            cand --filename 'Read a file, the manifests in a folder, or stdin if it is `-`; may be repeated'
            cand -n 'Choose the namespace of objects that name none [default: default]'
            cand --namespace 'Choose the namespace of objects that name none [default: default]'
            cand -o 'Choose how objects are shown'
            cand --output 'Choose how objects are shown'
            cand -R 'Read the folders within a folder too'
            cand --recursive 'Read the folders within a folder too'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'kcpctl;reconcile'= {
            cand --kubeconfig 'Kubeconfig file that leads to the cluster [default: KUBECONFIG, ~/.kube/config, or the pod''s own account]'
            cand --context 'Context of the kubeconfig to use'
            cand -n 'Namespace to look after [default: that of the context]'
            cand --namespace 'Namespace to look after [default: that of the context]'
            cand --kcp-url 'URL of kcp''s servers, with `{service}`, `{namespace}` and `{domain}`'
            cand --leader-elect-namespace 'Namespace of the lease [default: the namespace to look after, or that of the context]'
            cand --listen 'Address to serve /livez, /readyz and /metrics at, over HTTP'
            cand --log-format 'Form of the log'
            cand -v 'More in the log; up to `-v=8`'
            cand -A 'Look after all namespaces'
            cand --all-namespaces 'Look after all namespaces'
            cand --once 'Do what is to be done now, and end'
            cand --dry-run 'Tell what would be changed, and change nothing'
            cand --adopt 'Take over what kcp-operator has made'
            cand --force 'Begin though kcp-operator runs'
            cand --leader-elect 'Work only while holding the lease `reconcile.kcpctl.io`'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'kcpctl;cache'= {
            cand -h 'Print help'
            cand --help 'Print help'
            cand fsck 'Find what is wrong in a store, and mend it'
            cand list 'Show what a cache server holds'
            cand prune 'Delete what shards that are gone have left in a cache'
            cand serve 'Run the cache server in the foreground'
            cand snapshot 'Copy what a cache holds into a file, and back'
        }
        &'kcpctl;cache;fsck'= {
            cand --data-dir 'Data directory that no server is using at present'
            cand --etcd-servers 'URLs of an etcd''s members, between commas; servers may go on using it'
            cand --etcd-prefix 'What the keys in the store begin with; `/registry` stands for `/cache`'
            cand --etcd-cafile 'CAs of etcd''s members [default: those of the system]'
            cand --etcd-certfile 'Certificate that is shown to etcd'
            cand --etcd-keyfile 'Private key of that certificate'
            cand --backup 'File for a copy of what is deleted [default: `fsck-` and the time]'
            cand --older-than 'Take no shard for gone of which something changed within this time'
            cand -o 'How to show the result'
            cand --output 'How to show the result'
            cand --fix 'Delete what nobody misses, after a question'
            cand --yes 'Delete without a question'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'kcpctl;cache;list'= {
            cand --shard 'Shard to read, or `*` for all'
            cand --cluster 'Logical cluster to read, or `*` for all'
            cand -o 'How to show the result'
            cand --output 'How to show the result'
            cand -l 'Only objects with these labels, such as `a=b,c!=d`'
            cand --selector 'Only objects with these labels, such as `a=b,c!=d`'
            cand -n 'Only objects in this namespace'
            cand --namespace 'Only objects in this namespace'
            cand --chunk-size 'Most objects to ask for at once'
            cand --by 'Count by these alone (can be repeated)'
            cand --kubeconfig 'Kubeconfig file that leads to the cache server'
            cand --context 'Context of the kubeconfig to use'
            cand -A 'Objects in all namespaces, as without `--namespace`'
            cand --all-namespaces 'Objects in all namespaces, as without `--namespace`'
            cand -w 'After the list, show every change until interrupted'
            cand --watch 'After the list, show every change until interrupted'
            cand --bytes 'Measure the objects, also on a server that does not count them itself'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'kcpctl;cache;prune'= {
            cand --shard 'Shard whose objects are deleted'
            cand --older-than 'Take no shard for gone of which something changed within this time [default: 1h]'
            cand -o 'How to show the result'
            cand --output 'How to show the result'
            cand --kubeconfig 'Kubeconfig file that leads to the cache server'
            cand --context 'Context of the kubeconfig to use'
            cand --orphans 'Delete the objects of all shards that are gone'
            cand --force 'Delete the objects of the shard also if it is not gone, or cannot be judged'
            cand --dry-run 'Show what would be deleted, and delete nothing'
            cand --yes 'Delete without a question'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'kcpctl;cache;serve'= {
            cand --data-dir 'Directory of certificates, kubeconfigs and the store'
            cand --root-directory 'Directory of certificates, kubeconfigs and the store'
            cand --embedded-etcd-directory 'Directory of the store [default: `store` in the data directory]'
            cand --etcd-servers 'URLs of an etcd''s members, between commas, that keeps the data instead [default: none]'
            cand --etcd-prefix 'What the keys in the store begin with; `/registry` stands for `/cache`'
            cand --etcd-cafile 'CAs of etcd''s members [default: those of the system]'
            cand --etcd-certfile 'Certificate that is shown to etcd'
            cand --etcd-keyfile 'Private key of that certificate'
            cand --etcd-compaction-interval 'How often etcd is made to forget old changes; 0 is never'
            cand --etcd-healthcheck-timeout 'Time in which etcd must answer to count as well'
            cand --listen 'Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:6443]'
            cand --bind-address 'Address to listen on [default: 127.0.0.1]'
            cand --secure-port 'Port to listen on [default: 6443]'
            cand --tls-cert-file 'Serving certificate, with those that lead to its CA, instead of one made here'
            cand --tls-private-key-file 'Private key of the serving certificate'
            cand --client-ca-file 'CAs whose client certificates are believed, instead of one made here'
            cand --tls-san 'Name or address that the certificate made here is valid for, beyond localhost'
            cand --tls-min-version 'Least version of TLS: `VersionTLS12` or `VersionTLS13`'
            cand --tls-cipher-suites 'Cipher suites that may be used, by their names in Go, between commas'
            cand --tls-curve-preferences 'Key exchanges that may be used, by their numbers, between commas'
            cand --manifests 'Folder of an installation''s manifests'
            cand --name 'Which cache server of the manifests this one is, if there are several'
            cand --prune-orphans-after 'Delete what a shard left that has been gone for this long [default: never]'
            cand --history-bytes 'Memory for recent changes, which watches resume from [default: 256MiB]'
            cand --memory-limit 'Memory for objects and recent changes [default: the container''s, but for a tenth]'
            cand --max-requests-inflight 'Requests that read and are answered at once; more get 429. 0 is no limit'
            cand --max-mutating-requests-inflight 'Requests that write and are answered at once; more get 429. 0 is no limit'
            cand --max-watches 'Watches that are open at once; more get 429. 0 is no limit'
            cand --http2-max-streams-per-connection 'Requests that one HTTP/2 connection may have open; more wait at the client'
            cand --stall-timeout 'Time after which a client is closed that does not read what waits for it'
            cand --bookmark-interval 'Time after which a watch that asked for bookmarks is told how far it has come'
            cand --gzip 'For whom large lists are compressed, of those clients that ask for it'
            cand --synthetic-delay 'Time that each request waits before anything else, to try out slow networks'
            cand --log-format 'Form of the log, which goes to stderr'
            cand --logging-format 'Form of the log, which goes to stderr'
            cand -v 'More in the log; up to `-v=8`'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'kcpctl;cache;snapshot'= {
            cand -h 'Print help'
            cand --help 'Print help'
            cand save 'Take a snapshot of a running server, of a stopped one''s data, or of an etcd'
            cand inspect 'Check a snapshot, and show what it holds'
            cand restore 'Put a snapshot into the data of a stopped server, or into an etcd'
        }
        &'kcpctl;cache;snapshot;save'= {
            cand --data-dir 'Data directory that no server is using at present'
            cand --etcd-servers 'URLs of an etcd''s members, between commas; servers may go on using it'
            cand --etcd-prefix 'What the keys in the store begin with; `/registry` stands for `/cache`'
            cand --etcd-cafile 'CAs of etcd''s members [default: those of the system]'
            cand --etcd-certfile 'Certificate that is shown to etcd'
            cand --etcd-keyfile 'Private key of that certificate'
            cand --kubeconfig 'Kubeconfig file that leads to the cache server'
            cand --context 'Context of the kubeconfig to use'
            cand --force 'Overwrite the file if it is there'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'kcpctl;cache;snapshot;inspect'= {
            cand -o 'How to show the result'
            cand --output 'How to show the result'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'kcpctl;cache;snapshot;restore'= {
            cand --data-dir 'Data directory that no server is using at present'
            cand --etcd-servers 'URLs of an etcd''s members, between commas; servers may go on using it'
            cand --etcd-prefix 'What the keys in the store begin with; `/registry` stands for `/cache`'
            cand --etcd-cafile 'CAs of etcd''s members [default: those of the system]'
            cand --etcd-certfile 'Certificate that is shown to etcd'
            cand --etcd-keyfile 'Private key of that certificate'
            cand --merge 'Add to the objects that are there; what both have stays as it is'
            cand --force 'Restore into an etcd also if its revisions are below those of the snapshot'
            cand --raw 'Take keys and values as they are, also such as no server can read'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'kcpctl;kubeconfig'= {
            cand -h 'Print help'
            cand --help 'Print help'
            cand create 'Make a kubeconfig for one user'
        }
        &'kcpctl;kubeconfig;create'= {
            cand --target 'Server to enter: rootshard/X, shard/X, frontproxy/X or cacheserver/X'
            cand --user 'User: the certificate''s common name [default: NAME]'
            cand --group 'Group of the user; may be repeated'
            cand --validity 'Life of the certificate, an hour at least, such as 24h or 8760h'
            cand -W 'Workspace to begin in [default: root]'
            cand --workspace 'Workspace to begin in [default: root]'
            cand --server 'URL of the server, without a workspace'
            cand -n 'Namespace of the target, the Secret and the object'
            cand --namespace 'Namespace of the target, the Secret and the object'
            cand --data-dir 'Data directory of `kcpctl cache serve`: its client CA signs'
            cand --ca-cert 'Certificate of the CA that the server believes clients of'
            cand --ca-key 'Private key of that CA'
            cand --ca-secret 'Manifest of a Secret with that CA, `-` for stdin'
            cand --server-ca 'CA that vouches for the server, where the sources above do not hold it'
            cand -o 'What to write'
            cand --output 'What to write'
            cand --secret-name 'Name of the Secret that carries the kubeconfig [default: NAME]'
            cand --output-file 'File to write, readable by its owner only'
            cand --merge 'Merge into a kubeconfig [default: the first one of KUBECONFIG, or ~/.kube/config]'
            cand --rename 'Other name for the entries that are merged'
            cand --force 'Replace a file, or entries of the same name'
            cand --set-current-context 'Make the merged context the current one'
            cand --verify 'Connect with what was written and say whom the server sees'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'kcpctl;crds'= {
            cand -o 'How to print them'
            cand --output 'How to print them'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'kcpctl;version'= {
            cand -o 'How to show it'
            cand --output 'How to show it'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'kcpctl;completions'= {
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'kcpctl;man'= {
            cand --output-dir 'Write every page into this folder, which is made if need be'
            cand -h 'Print help'
            cand --help 'Print help'
        }
    ]
    $completions[$command]
}
