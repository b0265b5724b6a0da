//! Typical mistakes: command lines that fail, each with the name of its snapshot.
//!
//! In a line, `FOLDER` is an empty folder but for two files (`text.txt`, which is not a record, and `bad.toml`, which is not
//! a script), `CLOSED` an address at which nothing listens, `TAKEN` the address of a silent server, `RUN` a record.

/// The name of the snapshot and the command line, without the name of the program.
pub(crate) const MISTAKES: &[(&str, &str)] = &[
    // The command line as a whole.
    ("no-command", ""),
    ("unknown-command", "sevre"),
    ("unknown-option", "serve --bakpressure off"),
    ("unknown-option-of-another-command", "ping --no-read"),
    ("option-without-value", "flood --size"),
    ("option-twice", "flood --for 1s --for 2s"),
    ("surplus-argument", "doctor now"),
    // Values.
    ("size-without-number", "serve --queue-limit big"),
    ("size-zero", "flood --size 0"),
    ("size-too-large", "flood --bytes 99999999999GiB"),
    ("size-range-reversed", "flood --size 4KiB..64"),
    ("size-does-not-fit-framing", "flood CLOSED --framing u16 --size 70KiB"),
    ("time-without-unit-known", "flood --for 5parsecs"),
    ("time-too-long", "flood --for 9999999999999d"),
    ("rate-invalid", "flood --rate fast"),
    ("count-zero", "flood --connections 0"),
    ("count-too-large", "flood --connections 70000"),
    ("unknown-policy", "serve --backpressure none"),
    ("unknown-framing", "serve --framing json"),
    ("unknown-io", "serve --io select"),
    ("unknown-shell", "completions tcsh"),
    ("unknown-lesson", "lesson rase"),
    ("unknown-choice", "lesson race --predict z"),
    ("unknown-verdict", "audit CLOSED --expect fine"),
    ("unknown-page", "man sevre"),
    ("pid-does-not-run", "flood CLOSED --pid 4000000"),
    // Combinations.
    ("options-in-conflict", "flood --no-read --read-for 3s"),
    ("option-without-effect", "serve --queue-limit 1MiB"),
    ("resume-above-limit", "serve --backpressure watermark --queue-limit 1KiB --resume-at 2KiB"),
    ("workers-without-tasks", "serve --io threads --workers 2"),
    ("same-file-twice", "flood CLOSED --record FOLDER/x --report FOLDER/x"),
    ("audit-of-pid-and-command", "audit --pid 1 -- sleep 1"),
    // Addresses.
    ("address-without-port", "flood localhost"),
    ("address-port-too-large", "ping 127.0.0.1:70000"),
    ("address-port-not-a-number", "ping 127.0.0.1:http"),
    ("address-of-tls", "audit https://127.0.0.1"),
    ("port-in-use", "serve --addr TAKEN"),
    ("connection-refused", "flood CLOSED"),
    ("connection-refused-ping", "ping CLOSED"),
    ("connection-refused-send", "send CLOSED"),
    ("connection-refused-audit", "audit CLOSED"),
    ("nothing-to-watch", "watch CLOSED"),
    ("remote-target", "flood 192.0.2.1:7 --no-read"),
    // Files and commands.
    ("record-missing", "report FOLDER/missing.json"),
    ("record-invalid", "report FOLDER/text.txt"),
    ("record-is-folder", "compare RUN FOLDER"),
    ("record-not-writable", "flood TAKEN --record FOLDER/missing/run.json"),
    ("page-not-writable", "demo --yes --report FOLDER/missing/page.html"),
    ("script-missing", "audit CLOSED --script FOLDER/missing.toml"),
    ("script-invalid", "audit CLOSED --script FOLDER/bad.toml"),
    ("command-not-found", "audit -- FOLDER/no-such-program"),
    ("command-exits", "audit -- false"),
    ("escape-invalid", "audit CLOSED --request \\q"),
    ("preset-unknown", "audit CLOSED --preset gopher"),
    ("preset-without-argument", "audit CLOSED --preset redis-get"),
    ("preset-old-option", "audit CLOSED --shape redis-get k"),
];
