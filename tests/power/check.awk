# Compares what was reported before all cuts so far with what is there now. Input: what the check told (F files, J runs of
# the job, L watches), then what was acknowledged before (W written, A added), then what tail told before and now.
# Prints one line of counts, or what is wrong and ends with 1.
function wrong(what) { print what; bad = 1; exit 1 }
{ sub(/\r$/, "") }
# A cut may end a serial line in the middle: what is acknowledged ends with a full stop.
$1 == "F" && NF == 3 { file[$2] = $3 }
$1 == "J" && NF == 4 { last[$3] = $4; if (given[$2 " " $4]++) repeats++; saw[$3] = 1 }
$1 == "L" { watch[$2] = 1 }
$1 == "W" && $4 == "." { written[$2] = 1; durable[$2 " " $3] = 1 }
$1 == "A" && $3 == "." { added[$2] = 1 }
/^\{"seq":/ && /\}$/ {
    match($0, /[0-9]+/); seq = substr($0, RSTART, RLENGTH)
    # The same number told again must be the same record.
    if (seq in record && record[seq] != $0) wrong("number " seq " was used twice: " record[seq] " and " $0)
    record[seq] = $0
    if ($0 ~ /"kind":"run"/ && $0 ~ /"status":"ok"/ && match($0, /"path":"[^"]*"/)) ok[seq] = substr($0, RSTART + 8, RLENGTH - 9)
}
END {
    if (bad) exit 1
    for (path in written) { writes++; if (!(path in file)) wrong(path " was written and is gone: no fault of fsmond, the disk lost it") }
    # A file may hold now what nobody wrote: its new length was on disk at the cut, and its new bytes were not. Nothing
    # but its content tells.
    for (path in file) if (last[path] != file[path]) {
        if ((path " " file[path]) in durable) wrong("the last content of " path " was not processed: " file[path] ", but " last[path])
        torn++
    }
    for (seq in ok) { oks++; if (!(ok[seq] in saw)) wrong("a run for " ok[seq] " was told as ok and never was") }
    for (name in added) { answers++; if (!(name in watch)) wrong("the watch " name " was answered as added and is gone") }
    if (repeats > cut * concurrency) wrong(repeats " versions were given twice, at most " cut * concurrency " were under way")
    printf "%d writes, %d runs ok, %d answers, %d given twice, %d torn by the cut\n", writes, oks, answers, repeats, torn
}
