# For scripts that compare two builds: source this with `here` the tree of the script, then call
# two_builds OLD NEW. Each is a source tree with a build/, or a commit, which is built in a temporary
# worktree. Gives $old and $new, the programs, $old_tree and $new_tree, and $work, a folder that is
# removed at the end after `at_end` has been called.
# shellcheck shell=sh disable=SC2154,SC2034 # what is the script's, and for it
work=$(mktemp -d)
trees=
at_end() { :; }
# shellcheck disable=SC2317 # the trap calls it
cleanup() {
    at_end
    for tree in $trees; do
        git -C "$here" worktree remove --force "$tree"
    done
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

fail() {
    echo "$*" >&2
    exit 2
}

# tree_of SIDE WHAT: the tree that WHAT names, with a program in it, in $tree.
tree_of() {
    if [ -d "$2" ]; then
        tree=$(cd "$2" && pwd)
    else
        tree=$work/tree_$1
        git -C "$here" worktree add --detach "$tree" "$2" > /dev/null 2>&1 ||
            fail "$2: neither a folder nor a commit"
        trees="$trees $tree"
        {
            meson setup "$tree/build" "$tree" &&
                ninja -C "$tree/build" src/cli/weld tests/cli/make_photos tests/cli/make_network
        } > "$work/build_$1.log" 2>&1 || fail "$2: $(tail "$work/build_$1.log")"
    fi
    [ -x "$tree/build/src/cli/weld" ] || fail "$tree/build/src/cli/weld: is not there"
    echo "$1: $2 ($(git -C "$tree" log -1 --format='%h %s' 2> /dev/null))"
}

two_builds() {
    tree_of old "$1"
    old_tree=$tree
    tree_of new "$2"
    new_tree=$tree
    old=$old_tree/build/src/cli/weld
    new=$new_tree/build/src/cli/weld
}

# tool NAME: a program of tests/cli/ that one of the trees has built; what it makes serves both.
tool() {
    for tree in "$old_tree" "$new_tree" "$here"; do
        [ ! -x "$tree/build/tests/cli/$1" ] || { echo "$tree/build/tests/cli/$1" && return; }
    done
    fail "build/tests/cli/$1: is not there"
}
