complete --keep-order --exclusive --command kcpctl --arguments "(KCPCTL_COMPLETE=fish kcpctl -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
