module completions {

  # The administrator's tool for kcp
  export extern kcpctl [
    --help(-h)                # Print help (see more with '--help')
    --version(-V)             # Print version
  ]

  # Write the objects that describe an installation
  export extern "kcpctl init" [
    --help(-h)                # Print help
  ]

  def "nu-complete kcpctl init installation profile" [] {
    [ "dev" "production" ]
  }

  def "nu-complete kcpctl init installation cache" [] {
    [ "embedded" "server" ]
  }

  def "nu-complete kcpctl init installation etcd" [] {
    [ "external" "dev" "embedded" ]
  }

  def "nu-complete kcpctl init installation cache_etcd" [] {
    [ "external" "dev" "embedded" ]
  }

  # Write the objects of an installation
  export extern "kcpctl init installation" [
    --filename(-f): path      # Read the topology from FILE, or from stdin if it is `-`; flags override it
    --profile: string@"nu-complete kcpctl init installation profile" # Choose what the installation is meant for [default: dev]
    --hostname: string        # Set the host name that users reach; production has no default for it [default: the front-proxy's name in the cluster]
    --port: string            # Set the port that users reach [default: 6443]
    --namespace(-n): string   # Set the namespace of all objects [default: NAME]
    --shards: string          # Set the shards beside the root shard: how many, or their names [default: 0; production: 2]
    --cache: string@"nu-complete kcpctl init installation cache" # Choose where the cache is [default: embedded; production: server]
    --replicas: string        # Set the replicas of shards and front-proxies [default: 1; production: 3]
    --cache-replicas: string  # Set the replicas of the cache server [default: 1; production: 2]
    --front-proxies: string   # Name the front-proxies [default: main]
    --kubeconfigs: string     # Name the kubeconfigs to hand out [default: admin]
    --validity: string        # Set how long their certificates are valid, at least an hour [default: 8766h]
    --issuer: string          # Name the cert-manager issuer of the root CAs [default: a self-signed Issuer, written too; production: ClusterIssuer/selfsigned]
    --image-repository: string # Set the repository of the image [default: ghcr.io/kcp-dev/kcp]
    --image-tag: string       # Set the tag of the image [default: v and the version of kcp]
    --kcp-version: string     # Set the version of kcp [default: 0.32.3]
    --etcd: string@"nu-complete kcpctl init installation etcd" # Choose whose etcd the servers use [default: dev; production: external]
    --cache-etcd: string@"nu-complete kcpctl init installation cache_etcd" # Choose whose etcd the cache server uses [default: as --etcd]
    --etcd-endpoints: string  # Set the members of a server's etcd; without NAME those of all servers, which then get a prefix each; repeat it for each server [default: derived from the server's name, and marked EDIT]
    --etcd-prefix: string     # Set the prefix of a server's keys in etcd
    --etcd-tls-secret: string # Set the Secret with a server's client certificate for etcd [default: none; production: etcd-NAME-client]
    --output(-o): path        # Write into the folder DIR, or one stream to stdout if it is `-` [default: NAME]
    --apply                   # Apply the objects, and the namespace, to a cluster, as `kcpctl apply` does; a folder is written only if --output names one
    --force                   # Overwrite files
    --dry-run                 # Show the files that would be written, and write nothing
    --print-config            # Print the topology in effect as a topology file, and write nothing
    --yes(-y)                 # Ask nothing: take the default where no flag is given
    --no-input                # Ask nothing: take the default where no flag is given
    --kubeconfig: path        # Kubeconfig file that leads to the cluster [default: KUBECONFIG, or ~/.kube/config]
    --context: string         # Context of the kubeconfig to use [default: the current one]
    --help(-h)                # Print help (see more with '--help')
    name?: string             # Name of the installation
  ]

  def "nu-complete kcpctl validate profile" [] {
    [ "dev" "production" ]
  }

  def "nu-complete kcpctl validate output" [] {
    [ "text" "json" ]
  }

  # Check manifests without a cluster
  export extern "kcpctl validate" [
    --filename(-f): path      # Read a file, the manifests in a folder, or stdin if it is `-`; may be repeated
    --recursive(-R)           # Read the folders within a folder too
    --profile: string@"nu-complete kcpctl validate profile" # Choose what the installation is meant for
    --output(-o): string@"nu-complete kcpctl validate output" # Choose how findings are shown
    --help(-h)                # Print help (see more with '--help')
  ]

  def "nu-complete kcpctl apply profile" [] {
    [ "dev" "production" ]
  }

  def "nu-complete kcpctl apply dry_run" [] {
    [ "client" "server" ]
  }

  # Apply manifests to a cluster, and wait until they are what they should be
  export extern "kcpctl apply" [
    --filename(-f): path      # Read a file, the manifests in a folder, or stdin if it is `-`; may be repeated
    --recursive(-R)           # Read the folders within a folder too
    --profile: string@"nu-complete kcpctl apply profile" # Choose what the installation is meant for
    --dry-run: string@"nu-complete kcpctl apply dry_run" # Only say what would change
    --force-conflicts         # Take fields over that another manager owns
    --prune                   # Delete what an earlier apply made for this installation and no manifest has any more
    --no-wait                 # Do not wait until the objects are what they should be
    --timeout: string         # How long to wait
    --yes(-y)                 # Ask nothing: do what would be asked for
    --kubeconfig: path        # Kubeconfig file that leads to the cluster [default: KUBECONFIG, or ~/.kube/config]
    --context: string         # Context of the kubeconfig to use [default: the current one]
    --namespace(-n): string   # Namespace of what names none [default: that of the context]
    --help(-h)                # Print help (see more with '--help')
  ]

  # Show what applying manifests would change
  export extern "kcpctl diff" [
    --filename(-f): path      # Read a file, the manifests in a folder, or stdin if it is `-`; may be repeated
    --recursive(-R)           # Read the folders within a folder too
    --force-conflicts         # Take fields over that another manager owns
    --prune                   # Show what `apply --prune` would delete, too
    --kubeconfig: path        # Kubeconfig file that leads to the cluster [default: KUBECONFIG, or ~/.kube/config]
    --context: string         # Context of the kubeconfig to use [default: the current one]
    --namespace(-n): string   # Namespace of what names none [default: that of the context]
    --help(-h)                # Print help (see more with '--help')
  ]

  def "nu-complete kcpctl delete dry_run" [] {
    [ "client" "server" ]
  }

  # Delete an installation from a cluster
  export extern "kcpctl delete" [
    --filename(-f): path      # Read a file, the manifests in a folder, or stdin if it is `-`; may be repeated
    --recursive(-R)           # Read the folders within a folder too
    --dry-run: string@"nu-complete kcpctl delete dry_run" # Only say what would be deleted
    --no-wait                 # Do not wait until they are gone
    --timeout: string         # How long to wait
    --yes(-y)                 # Ask nothing: do what would be asked for
    --kubeconfig: path        # Kubeconfig file that leads to the cluster [default: KUBECONFIG, or ~/.kube/config]
    --context: string         # Context of the kubeconfig to use [default: the current one]
    --namespace(-n): string   # Namespace of what names none [default: that of the context]
    --help(-h)                # Print help (see more with '--help')
    name?: string             # Root shard of the installation, or its namespace
  ]

  def "nu-complete kcpctl status output" [] {
    [ "tree" "json" "yaml" ]
  }

  # Show the installations of a cluster
  export extern "kcpctl status" [
    --wait(-w)                # Wait until everything is what it should be
    --timeout: string         # How long to wait
    --output(-o): string@"nu-complete kcpctl status output" # How to show it
    --kubeconfig: path        # Kubeconfig file that leads to the cluster [default: KUBECONFIG, or ~/.kube/config]
    --context: string         # Context of the kubeconfig to use [default: the current one]
    --namespace(-n): string   # Namespace of what names none [default: that of the context]
    --help(-h)                # Print help (see more with '--help')
    name?: string             # Root shard of the installation, or its namespace [default: all]
  ]

  def "nu-complete kcpctl check profile" [] {
    [ "dev" "production" ]
  }

  def "nu-complete kcpctl check output" [] {
    [ "text" "json" ]
  }

  # Check an installation in a cluster, or the cluster for one
  export extern "kcpctl check" [
    --pre                     # Check a cluster in which there is no installation yet
    --post-upgrade            # Take versions that are not the new ones for errors
    --filename(-f): path      # Check the cluster for these manifests; may be repeated
    --recursive(-R)           # Read the folders within a folder too
    --profile: string@"nu-complete kcpctl check profile" # Choose what the installation is meant for
    --output(-o): string@"nu-complete kcpctl check output" # How to show the result
    --kubeconfig: path        # Kubeconfig file that leads to the cluster [default: KUBECONFIG, or ~/.kube/config]
    --context: string         # Context of the kubeconfig to use [default: the current one]
    --namespace(-n): string   # Namespace of what names none [default: that of the context]
    --help(-h)                # Print help (see more with '--help')
    name?: string             # Root shard of the installation, or its namespace [default: all]
  ]

  def "nu-complete kcpctl render output" [] {
    [ "yaml" "json" ]
  }

  # Print what an installation comes to in a cluster
  export extern "kcpctl render" [
    --filename(-f): path      # Read a file, the manifests in a folder, or stdin if it is `-`; may be repeated
    --recursive(-R)           # Read the folders within a folder too
    --namespace(-n): string   # Choose the namespace of objects that name none [default: default]
    --output(-o): string@"nu-complete kcpctl render output" # Choose how objects are shown
    --help(-h)                # Print help (see more with '--help')
  ]

  def "nu-complete kcpctl reconcile log_format" [] {
    [ "text" "json" ]
  }

  # Make a cluster match its operator.kcp.io objects, and keep doing so
  export extern "kcpctl reconcile" [
    --kubeconfig: path        # Kubeconfig file that leads to the cluster [default: KUBECONFIG, ~/.kube/config, or the pod's own account]
    --context: string         # Context of the kubeconfig to use
    --namespace(-n): string   # Namespace to look after [default: that of the context]
    --all-namespaces(-A)      # Look after all namespaces
    --kcp-url: string         # URL of kcp's servers, with `{service}`, `{namespace}` and `{domain}`
    --once                    # Do what is to be done now, and end
    --dry-run                 # Tell what would be changed, and change nothing
    --adopt                   # Take over what kcp-operator has made
    --issue-certificates      # Sign Certificates here, where no cert-manager runs
    --force                   # Begin though kcp-operator runs
    --leader-elect            # Work only while holding the lease `reconcile.kcpctl.io`
    --leader-elect-namespace: string # Namespace of the lease [default: the namespace to look after, or that of the context]
    --listen: string          # Address to serve /livez, /readyz and /metrics at, over HTTP
    --log-format: string@"nu-complete kcpctl reconcile log_format" # Form of the log
    -v: string                # More in the log; up to `-v=8`
    --help(-h)                # Print help (see more with '--help')
  ]

  # Run a cache server, look into one, copy what it holds, and tidy up
  export extern "kcpctl cache" [
    --help(-h)                # Print help
  ]

  def "nu-complete kcpctl cache fsck output" [] {
    [ "table" "wide" "json" "yaml" "name" ]
  }

  # Find what is wrong in a store, and mend it
  export extern "kcpctl cache fsck" [
    --data-dir: path          # Data directory that no server is using at present
    --etcd-servers: string    # URLs of an etcd's members, between commas; servers may go on using it
    --etcd-prefix: string     # What the keys in the store begin with; `/registry` stands for `/cache`
    --etcd-cafile: path       # CAs of etcd's members [default: those of the system]
    --etcd-certfile: path     # Certificate that is shown to etcd
    --etcd-keyfile: path      # Private key of that certificate
    --fix                     # Delete what nobody misses, after a question
    --yes                     # Delete without a question
    --backup: path            # File for a copy of what is deleted [default: `fsck-` and the time]
    --older-than: string      # Take no shard for gone of which something changed within this time
    --output(-o): string@"nu-complete kcpctl cache fsck output" # How to show the result
    --help(-h)                # Print help (see more with '--help')
  ]

  def "nu-complete kcpctl cache list output" [] {
    [ "table" "wide" "json" "yaml" "name" ]
  }

  def "nu-complete kcpctl cache list by" [] {
    [ "resource" "shard" "cluster" ]
  }

  # Show what a cache server holds
  export extern "kcpctl cache list" [
    --shard: string           # Shard to read, or `*` for all
    --cluster: string         # Logical cluster to read, or `*` for all
    --output(-o): string@"nu-complete kcpctl cache list output" # How to show the result
    --selector(-l): string    # Only objects with these labels, such as `a=b,c!=d`
    --namespace(-n): string   # Only objects in this namespace
    --all-namespaces(-A)      # Objects in all namespaces, as without `--namespace`
    --watch(-w)               # After the list, show every change until interrupted
    --chunk-size: string      # Most objects to ask for at once
    --by: string@"nu-complete kcpctl cache list by" # Count by these alone (can be repeated)
    --bytes                   # Measure the objects, also on a server that does not count them itself
    --kubeconfig: path        # Kubeconfig file that leads to the cache server
    --context: string         # Context of the kubeconfig to use
    --help(-h)                # Print help (see more with '--help')
    resource?: string         # Resource to list: plural, singular or kind, alone or with its group
  ]

  def "nu-complete kcpctl cache prune output" [] {
    [ "table" "wide" "json" "yaml" "name" ]
  }

  # Delete what shards that are gone have left in a cache
  export extern "kcpctl cache prune" [
    --shard: string           # Shard whose objects are deleted
    --orphans                 # Delete the objects of all shards that are gone
    --older-than: string      # Take no shard for gone of which something changed within this time [default: 1h]
    --force                   # Delete the objects of the shard also if it is not gone, or cannot be judged
    --dry-run                 # Show what would be deleted, and delete nothing
    --yes                     # Delete without a question
    --output(-o): string@"nu-complete kcpctl cache prune output" # How to show the result
    --kubeconfig: path        # Kubeconfig file that leads to the cache server
    --context: string         # Context of the kubeconfig to use
    --help(-h)                # Print help (see more with '--help')
  ]

  def "nu-complete kcpctl cache serve gzip" [] {
    [ "remote" "always" "never" ]
  }

  def "nu-complete kcpctl cache serve log_format" [] {
    [ "text" "json" ]
  }

  # Run the cache server in the foreground
  export extern "kcpctl cache serve" [
    --data-dir: path          # Directory of certificates, kubeconfigs and the store
    --root-directory: path    # Directory of certificates, kubeconfigs and the store
    --embedded-etcd-directory: path # Directory of the store [default: `store` in the data directory]
    --etcd-servers: string    # URLs of an etcd's members, between commas, that keeps the data instead [default: none]
    --etcd-prefix: string     # What the keys in the store begin with; `/registry` stands for `/cache`
    --etcd-cafile: path       # CAs of etcd's members [default: those of the system]
    --etcd-certfile: path     # Certificate that is shown to etcd
    --etcd-keyfile: path      # Private key of that certificate
    --etcd-compaction-interval: string # How often etcd is made to forget old changes; 0 is never
    --etcd-healthcheck-timeout: string # Time in which etcd must answer to count as well
    --listen: string          # Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:6443]
    --bind-address: string    # Address to listen on [default: 127.0.0.1]
    --secure-port: string     # Port to listen on [default: 6443]
    --tls-cert-file: path     # Serving certificate, with those that lead to its CA, instead of one made here
    --tls-private-key-file: path # Private key of the serving certificate
    --client-ca-file: path    # CAs whose client certificates are believed, instead of one made here
    --tls-san: string         # Name or address that the certificate made here is valid for, beyond localhost
    --tls-min-version: string # Least version of TLS: `VersionTLS12` or `VersionTLS13`
    --tls-cipher-suites: string # Cipher suites that may be used, by their names in Go, between commas
    --tls-curve-preferences: string # Key exchanges that may be used, by their numbers, between commas
    --manifests: path         # Folder of an installation's manifests
    --control-plane           # Serve the control plane from the etcd too, below `/kcpctl`
    --name: string            # Which cache server of the manifests this one is, if there are several
    --prune-orphans-after: string # Delete what a shard left that has been gone for this long [default: never]
    --history-bytes: string   # Memory for recent changes, which watches resume from [default: 256MiB]
    --memory-limit: string    # Memory for objects and recent changes [default: the container's, but for a tenth]
    --max-requests-inflight: string # Requests that read and are answered at once; more get 429. 0 is no limit
    --max-mutating-requests-inflight: string # Requests that write and are answered at once; more get 429. 0 is no limit
    --max-watches: string     # Watches that are open at once; more get 429. 0 is no limit
    --http2-max-streams-per-connection: string # Requests that one HTTP/2 connection may have open; more wait at the client
    --stall-timeout: string   # Time after which a client is closed that does not read what waits for it
    --bookmark-interval: string # Time after which a watch that asked for bookmarks is told how far it has come
    --gzip: string@"nu-complete kcpctl cache serve gzip" # For whom large lists are compressed, of those clients that ask for it
    --synthetic-delay: string # Time that each request waits before anything else, to try out slow networks
    --log-format: string@"nu-complete kcpctl cache serve log_format" # Form of the log, which goes to stderr
    --logging-format: string@"nu-complete kcpctl cache serve log_format" # Form of the log, which goes to stderr
    -v: string                # More in the log; up to `-v=8`
    --help(-h)                # Print help (see more with '--help')
  ]

  # Copy what a cache holds into a file, and back
  export extern "kcpctl cache snapshot" [
    --help(-h)                # Print help
  ]

  # Take a snapshot of a running server, of a stopped one's data, or of an etcd
  export extern "kcpctl cache snapshot save" [
    --force                   # Overwrite the file if it is there
    --data-dir: path          # Data directory that no server is using at present
    --etcd-servers: string    # URLs of an etcd's members, between commas; servers may go on using it
    --etcd-prefix: string     # What the keys in the store begin with; `/registry` stands for `/cache`
    --etcd-cafile: path       # CAs of etcd's members [default: those of the system]
    --etcd-certfile: path     # Certificate that is shown to etcd
    --etcd-keyfile: path      # Private key of that certificate
    --kubeconfig: path        # Kubeconfig file that leads to the cache server
    --context: string         # Context of the kubeconfig to use
    --help(-h)                # Print help (see more with '--help')
    file: path                # File to write, or `-` for stdout
  ]

  def "nu-complete kcpctl cache snapshot inspect output" [] {
    [ "table" "wide" "json" "yaml" "name" ]
  }

  # Check a snapshot, and show what it holds
  export extern "kcpctl cache snapshot inspect" [
    --output(-o): string@"nu-complete kcpctl cache snapshot inspect output" # How to show the result
    --help(-h)                # Print help (see more with '--help')
    file: path                # File to read, or `-` for stdin
  ]

  # Put a snapshot into the data of a stopped server, or into an etcd
  export extern "kcpctl cache snapshot restore" [
    --merge                   # Add to the objects that are there; what both have stays as it is
    --force                   # Restore into an etcd also if its revisions are below those of the snapshot
    --raw                     # Take keys and values as they are, also such as no server can read
    --data-dir: path          # Data directory that no server is using at present
    --etcd-servers: string    # URLs of an etcd's members, between commas; servers may go on using it
    --etcd-prefix: string     # What the keys in the store begin with; `/registry` stands for `/cache`
    --etcd-cafile: path       # CAs of etcd's members [default: those of the system]
    --etcd-certfile: path     # Certificate that is shown to etcd
    --etcd-keyfile: path      # Private key of that certificate
    --help(-h)                # Print help (see more with '--help')
    file: path                # File to read, or `-` for stdin
  ]

  # Make kubeconfigs that are proven to work
  export extern "kcpctl kubeconfig" [
    --help(-h)                # Print help
  ]

  def "nu-complete kcpctl kubeconfig create output" [] {
    [ "kubeconfig" "secret" "manifest" ]
  }

  # Make a kubeconfig for one user
  export extern "kcpctl kubeconfig create" [
    --target: string          # Server to enter: rootshard/X, shard/X, frontproxy/X or cacheserver/X
    --user: string            # User: the certificate's common name [default: NAME]
    --group: string           # Group of the user; may be repeated
    --validity: string        # Life of the certificate, an hour at least, such as 24h or 8760h
    --workspace(-W): string   # Workspace to begin in [default: root]
    --server: string          # URL of the server, without a workspace
    --namespace(-n): string   # Namespace of the target, the Secret and the object
    --data-dir: path          # Data directory of `kcpctl cache serve`: its client CA signs
    --ca-cert: path           # Certificate of the CA that the server believes clients of
    --ca-key: path            # Private key of that CA
    --ca-secret: path         # Manifest of a Secret with that CA, `-` for stdin
    --server-ca: path         # CA that vouches for the server, where the sources above do not hold it
    --kubeconfig: path        # Kubeconfig file that leads to the cluster [default: KUBECONFIG, or ~/.kube/config]
    --context: string         # Context of the kubeconfig to use [default: the current one]
    --output(-o): string@"nu-complete kcpctl kubeconfig create output" # What to write
    --secret-name: string     # Name of the Secret that carries the kubeconfig [default: NAME]
    --output-file: path       # File to write, readable by its owner only
    --merge: string           # Merge into a kubeconfig [default: the first one of KUBECONFIG, or ~/.kube/config]
    --force                   # Replace a file, or entries of the same name
    --rename: string          # Other name for the entries that are merged
    --set-current-context     # Make the merged context the current one
    --verify                  # Connect with what was written and say whom the server sees
    --help(-h)                # Print help (see more with '--help')
    name: string              # Name of the Secret or object, and of the user unless `--user` says otherwise
  ]

  def "nu-complete kcpctl crds kinds" [] {
    [ "cacheserver" "rootshard" "shard" "frontproxy" "virtualworkspace" "kubeconfig" ]
  }

  def "nu-complete kcpctl crds output" [] {
    [ "yaml" "json" ]
  }

  def "nu-complete kcpctl crds dry_run" [] {
    [ "client" "server" ]
  }

  # Print or apply the definitions of the operator's kinds
  export extern "kcpctl crds" [
    --output(-o): string@"nu-complete kcpctl crds output" # How to print them
    --apply                   # Put them into the cluster instead of printing them
    --dry-run: string@"nu-complete kcpctl crds dry_run" # Only say what would change
    --force-conflicts         # Take fields over that another manager owns
    --no-wait                 # Do not wait until they are served
    --timeout: string         # How long to wait
    --kubeconfig: path        # Kubeconfig file that leads to the cluster [default: KUBECONFIG, or ~/.kube/config]
    --context: string         # Context of the kubeconfig to use [default: the current one]
    --help(-h)                # Print help (see more with '--help')
    ...kinds: string@"nu-complete kcpctl crds kinds" # Kinds to print [default: all]
  ]

  def "nu-complete kcpctl version output" [] {
    [ "text" "json" "yaml" ]
  }

  # Show the version of kcpctl, and of what it reaches
  export extern "kcpctl version" [
    --client                  # Ask no cluster
    --output(-o): string@"nu-complete kcpctl version output" # How to show it
    --kubeconfig: path        # Kubeconfig file that leads to the cluster [default: KUBECONFIG, or ~/.kube/config]
    --context: string         # Context of the kubeconfig to use [default: the current one]
    --help(-h)                # Print help (see more with '--help')
  ]

  def "nu-complete kcpctl completions shell" [] {
    [ "bash" "zsh" "fish" "powershell" "elvish" "nushell" ]
  }

  # Print a completion script for a shell
  export extern "kcpctl completions" [
    --help(-h)                # Print help (see more with '--help')
    shell: string@"nu-complete kcpctl completions shell" # Shell to complete in
  ]

  # Print a page of the manual, or write all pages
  export extern "kcpctl man" [
    --output-dir: path        # Write every page into this folder, which is made if need be
    --help(-h)                # Print help
    ...command: string        # Command to print the page of, such as `cache list`
  ]

}

export use completions *
