
set edit:completion:arg-completer[kcpctl] = { |@words|
    var index = (count $words)
    set index = (- $index 1)

    put (env _CLAP_IFS="\n" _CLAP_COMPLETE_INDEX=(to-string $index) KCPCTL_COMPLETE="elvish" kcpctl -- $@words) | to-lines
}

