/**
 * The command of a job. The images keep their Python in different places; `$0` is the program, `$1` the classifier's script, which come as
 * arguments, so that nothing in them is read by the shell.
 */
export const launch = '[ -d /app/env/bin ] && PATH=/app/env/bin:$PATH; export PATH; exec python3 -u -c "$0" "$@"';
