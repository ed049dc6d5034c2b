//! The demonstration itself, run as a stranger runs it.

use std::process::Command;

#[test]
fn the_demonstration_ends_by_itself_and_well() {
    let output = Command::new(env!("CARGO_BIN_EXE_tests-with-fresh-databases")).output().unwrap();
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));

    assert!(output.status.success(), "{said}{complained}");
    assert_eq!(complained, "");
    for fact in [
        "boot     6 applied in",
        "refused  the belt sander to Grace: the tool is lent already\n",
        "overdue  the hedge trimmer, in a week from now\n",
        "back     the belt sander, and Grace hears of it\n",
    ] {
        assert!(said.contains(fact), "`{fact}` is missing:\n{said}");
    }
}
