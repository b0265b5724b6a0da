//! Recognises the line in which a runtime reports that it ran out of memory.
//!
//! Every runtime has its own sentence, in its own case, and prints it as a line or at the end of a log line. A line that only
//! quotes such a sentence, as the log of a server that logs its input does, is not a report:
//!
//! ```text
//! java.lang.OutOfMemoryError: Java heap space                                    a report
//! 12:00:01 ERROR [worker-3] write failed: java.lang.OutOfMemoryError: Java heap space      a report, logged
//! {"level":"error","stack":"java.lang.OutOfMemoryError: Java heap space"}        a report, logged as JSON
//! 12:00:01 INFO received "java.lang.OutOfMemoryError: Java heap space"           quoted
//! 12:00:01 INFO received: MemoryError                                            introduced as input
//! Picked up JAVA_TOOL_OPTIONS: -XX:+ExitOnOutOfMemoryError                       not a sentence of a runtime
//! mlock: Cannot allocate memory                                                  a limit of another kind
//! ```

/// Whether this line, without its line break, is such a report.
pub(super) fn is_report(line: &str) -> bool {
    if !KEYS.iter().any(|key| line.contains(key)) {
        return false;
    }
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    if OTHER_LIMITS.iter().any(|other| line.contains(other)) {
        return false;
    }
    let mut found = SENTENCES.iter().filter_map(|sentence| find(sentence, &line));
    found.any(|start| match line.starts_with('{') {
        true => is_logged_error(&line),
        false => !is_quoted(&line[..start]),
    })
}

/// Where `sentence` begins in `line`, if it is there. Each `*` of a sentence stands for any text; without one at its start (its
/// end) the line has to begin (end) with it.
fn find(sentence: &str, line: &str) -> Option<usize> {
    let mut pieces = sentence.split('*');
    let head = pieces.next()?;
    let mut rest = line.strip_prefix(head)?;
    let mut start = (!head.is_empty()).then_some(0);
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() && !rest.is_empty() {
        return None;
    }
    while let Some(piece) = pieces.next() {
        let is_last = pieces.peek().is_none();
        let at = if is_last && !piece.is_empty() {
            rest.ends_with(piece).then(|| rest.len() - piece.len())?
        } else {
            rest.find(piece)?
        };
        start = start.or(Some(line.len() - rest.len() + at));
        rest = &rest[at + piece.len()..];
    }
    start
}

/// Whether what follows `before` is quoted or introduced as input.
fn is_quoted(before: &str) -> bool {
    let is_open = before.matches('"').count() % 2 == 1 || before.ends_with(['\'', '`', '<', '“', '‘']);
    let word = before.trim_end_matches(|c: char| !c.is_alphanumeric());
    let word = word.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    is_open || INTRODUCE_INPUT.iter().any(|introduces| word.eq_ignore_ascii_case(introduces))
}

/// Whether a line of JSON is a log entry with the level of an error.
fn is_logged_error(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    ["\"error\"", "\"severe\"", "\"critical\"", "\"fatal\"", "\"panic\""]
        .iter()
        .any(|level| line.contains(level))
}

/// Each sentence contains one of these, and most lines none: a server that prints all its input is not slowed down.
const KEYS: [&str; 7] = ["emory", "MEMORY", "eap ", "alloc", "ENOMEM", "errno=12", "too large"];

/// The sentences of common runtimes, with single spaces.
const SENTENCES: &[&str] = &[
    // JVM.
    "*java.lang.OutOfMemoryError: *",
    "*java.lang.OutOfMemoryError thrown from the UncaughtExceptionHandler*",
    "java.lang.OutOfMemoryError",
    "Caused by: java.lang.OutOfMemoryError",
    "Exception in thread * java.lang.OutOfMemoryError",
    "*OutOfDirectMemoryError: *",
    "*: Java heap space, shutting down *",
    "# There is insufficient memory for the Java Runtime Environment to continue.",
    "*error='Not enough space' (errno=12)*",
    "*error='Cannot allocate memory' (errno=12)*",
    // JavaScript: V8 and JavaScriptCore.
    "*JavaScript heap out of memory*",
    "*Fatal JavaScript out of memory: *",
    "*Fatal process out of memory: *",
    "*RangeError: Array buffer allocation failed*",
    "*RangeError: Out of memory*",
    "*[ERR_WORKER_OUT_OF_MEMORY]*",
    "*[ERR_MEMORY_ALLOCATION_FAILED]*",
    "*Error: ENOMEM: not enough memory*",
    "*Error: write ENOMEM*",
    // Python.
    "MemoryError",
    "MemoryError: *",
    "*: MemoryError",
    "*exception=MemoryError(*",
    "*._ArrayMemoryError: *",
    // Go.
    "*runtime: out of memory*",
    "*runtime: cannot allocate memory*",
    "panic: bytes.Buffer: too large*",
    // Rust.
    "memory allocation of * bytes failed*",
    "*memory allocation failed because the memory allocator returned an error*",
    "*Cannot allocate memory (os error 12)*",
    "*Os { code: 12, kind: OutOfMemory*",
    // C++.
    "terminate called after throwing an instance of 'std::bad_alloc'",
    "*std::bad_alloc",
    // .NET.
    "*System.OutOfMemoryException: *",
    "*System.OutOfMemoryException",
    // Ruby, PHP, Perl, Lua, Tcl.
    "[FATAL] failed to allocate memory",
    "*failed to allocate memory (NoMemoryError)",
    "*Allowed memory size of * bytes exhausted*",
    "*Out of memory (allocated * bytes*)*",
    "Out of memory in perl:*",
    "Out of memory during *",
    "*: not enough memory",
    "unable to alloc * bytes",
    "unable to realloc * bytes",
    // Erlang, Haskell, OCaml, D, Julia, Dart, Lisp, and the collector of Boehm.
    "*_alloc: Cannot allocate * bytes of memory*",
    "*_alloc: Cannot reallocate * bytes of memory*",
    "*: Heap exhausted;*",
    "*: out of memory (requested * bytes)",
    "*exception Out_of_memory*",
    "*core.exception.OutOfMemoryError@*",
    "*OutOfMemoryError()",
    "Exhausted heap space, trying to allocate * bytes.",
    "Heap exhausted*",
    "*GC Warning: Out of Memory!*",
    // C, and programs that print what their system returns.
    "Cannot allocate memory",
    "*: Cannot allocate memory",
    "*: cannot allocate memory",
    "*(12: Cannot allocate memory)*",
    "*[Errno 12] Cannot allocate memory*",
    "*gmem.c*: failed to allocate * bytes",
    "*Out Of Memory allocating * bytes*",
    "virtual memory exhausted*",
    "*: virtual memory exhausted*",
    "*: memory exhausted",
    "Out of memory",
    "Out of memory.",
    "Out of memory!",
    "*: Out of memory",
    "*: Out of memory.",
    "out of memory",
    "*: out of memory",
];

/// Parts of lines about other limits, whose error has the same text: locked memory, threads, large pages.
const OTHER_LIMITS: &[&str] = &["mlock", "MEMLOCK", "io_uring", "native thread", "large pages", "huge pages"];

/// Words after which a log prints what a client sent.
const INTRODUCE_INPUT: &[&str] =
    &["received", "got", "input", "echo", "echoing", "payload", "message", "request", "line"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentences_of_runtimes_are_reports() {
        for line in [
            "Exception in thread \"main\" java.lang.OutOfMemoryError: Java heap space",
            "Exception in thread \"pool-1-thread-1\" java.lang.OutOfMemoryError",
            "Exception: java.lang.OutOfMemoryError thrown from the UncaughtExceptionHandler in thread \"main\"",
            "12:00:01.123 [nioEventLoop-3] ERROR c.e.Server - write failed: java.lang.OutOfMemoryError: Direct buffer memory",
            "Terminating due to java.lang.OutOfMemoryError: Java heap space",
            "Caused by: io.netty.util.internal.OutOfDirectMemoryError: failed to allocate 16777216 byte(s) of direct memory",
            r#"{"@timestamp":"2026-01-01","level":"ERROR","stack_trace":"java.lang.OutOfMemoryError: Java heap space\n\tat X"}"#,
            "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
            "Error [ERR_WORKER_OUT_OF_MEMORY]: Worker terminated due to reaching memory limit: JS heap out of memory",
            "# Fatal JavaScript out of memory: Reached heap limit",
            "MemoryError",
            "    MemoryError: Unable to allocate 1.00 GiB",
            "future: <Task finished name='Task-5' coro=<serve()> exception=MemoryError()>",
            "fatal error: runtime: out of memory",
            "runtime: out of memory: cannot allocate 268435456-byte block (268468224 in use)",
            "memory allocation of 268435456 bytes failed",
            "terminate called after throwing an instance of 'std::bad_alloc'",
            "  what():  std::bad_alloc",
            "Unhandled exception. System.OutOfMemoryException: Exception of type 'System.OutOfMemoryException' was thrown.",
            "Out of memory.",
            "server.rb:12:in 'String#<<': failed to allocate memory (NoMemoryError)",
            "PHP Fatal error:  Allowed memory size of 134217728 bytes exhausted (tried to allocate 65536 bytes) in /s.php on line 3",
            "Out of memory!",
            "lua: not enough memory",
            "eheap_alloc: Cannot allocate 1140328500 bytes of memory (of type \"heap\").",
            "Fatal error: exception Out_of_memory",
            "./server: malloc: Cannot allocate memory",
            "2026/01/01 12:00:00 accept: cannot allocate memory",
            "2026/01/01 [crit] 7#7: *1 malloc(4096) failed (12: Cannot allocate memory) while reading",
            "OSError: [Errno 12] Cannot allocate memory",
            "ERROR:  out of memory",
        ] {
            assert!(is_report(line), "{line}");
        }
    }

    #[test]
    fn quotations_and_other_limits_are_no_reports() {
        for line in [
            "received \"java.lang.OutOfMemoryError: Java heap space\"",
            "INFO received: MemoryError",
            "got b'MemoryError'",
            "12:00:01 echo: out of memory",
            r#"{"level":"info","body":"java.lang.OutOfMemoryError: Java heap space"}"#,
            "Picked up JAVA_TOOL_OPTIONS: -XX:+ExitOnOutOfMemoryError -XX:+HeapDumpOnOutOfMemoryError",
            "a handler for OutOfMemoryError and std::bad_alloc is installed",
            "io_uring_queue_init: Cannot allocate memory",
            "mlock: Cannot allocate memory",
            "java.lang.OutOfMemoryError: unable to create native thread: possibly out of memory or process/resource limits reached",
            "will drop clients when out of memory",
            "MemoryErrors are counted",
            "memory allocation of 5 bytes",
            "memory limit exceeded, closing the slow client",
            "",
        ] {
            assert!(!is_report(line), "{line}");
        }
    }

    #[test]
    fn each_sentence_contains_a_key() {
        for sentence in SENTENCES {
            assert!(KEYS.iter().any(|key| sentence.contains(key)), "{sentence}");
        }
    }

    #[test]
    fn a_star_stands_for_any_text() {
        assert_eq!(find("a*c", "abc"), Some(0));
        assert_eq!(find("a*c", "ac"), Some(0));
        assert_eq!(find("*c", "ab é c"), Some(6));
        assert_eq!(find("*b*", "aab"), Some(2));
        assert_eq!(find("abc", "abc"), Some(0));
        for (sentence, line) in [("abc", "abcd"), ("a*c", "acd"), ("*b*d", "abc"), ("ab*bc", "abc")] {
            assert_eq!(find(sentence, line), None, "{sentence} {line}");
        }
    }
}
