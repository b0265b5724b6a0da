//! Promise: after any operations, a buffer contains what a `Vec` would contain, and it never exceeds its limit.

mod support;

use echoctl_proto::Buffer;
use proptest::prelude::*;

use support::buffer::{MOST_OPERATIONS, Operation, check, run};
use support::strategies::config;

/// Bytes at a time. With miri each operation compares few, since it runs a thousand times as slowly.
const LARGEST: usize = if cfg!(miri) { 2000 } else { 100_000 };

fn operation() -> impl Strategy<Value = Operation> {
    let count = || prop_oneof![6 => 0..100_usize, 2 => 0..3000_usize, 1 => 0..LARGEST];
    prop_oneof![
        4 => count().prop_map(Operation::Append),
        2 => (count(), count()).prop_map(|(wanted, filled)| Operation::Fill(wanted, filled)),
        4 => count().prop_map(Operation::Consume),
        1 => Just(Operation::Shrink),
        1 => Just(Operation::Clear),
    ]
}

fn limit() -> impl Strategy<Value = usize> {
    prop_oneof![0..100_usize, 1000..5000_usize, Just(Buffer::RETAINED), Just(3 * Buffer::RETAINED)]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_sequence_of_operations_differs_from_a_vec(
        limit in limit(),
        operations in prop::collection::vec(operation(), 0..MOST_OPERATIONS),
    ) {
        run(limit, &operations);
    }

    #[test]
    fn scenarios_from_any_bytes_hold(input in prop::collection::vec(any::<u8>(), 0..MOST_OPERATIONS * 2)) {
        check(&input);
    }
}

#[test]
fn the_seeds_of_the_fuzz_target_hold() {
    check(include_bytes!("../../../fuzz/seeds/buffer/grow"));
    check(include_bytes!("../../../fuzz/seeds/buffer/refuse"));
    check(include_bytes!("../../../fuzz/seeds/buffer/reuse"));
}
