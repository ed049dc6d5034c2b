//! The demonstration itself, run as a stranger runs it.

use std::process::Command;

#[test]
fn the_demonstration_ends_by_itself_and_well() {
    let output = Command::new(env!("CARGO_BIN_EXE_quickstart")).output().unwrap();
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));

    assert!(output.status.success(), "{said}{complained}");
    assert_eq!(complained, "");
    assert!(!said.contains('\x1b'), "no colour where nobody looks: {said}");
    for fact in [
        "5 applied in",
        "(5 already there, 1 flight)",
        "1 reverted in",
        "applied the migrations    1\n",
        "found them applied        49\n",
        "errors                    0\n",
        "rows in the history       5 for 5 migrations\n",
    ] {
        assert!(said.contains(fact), "`{fact}` is missing:\n{said}");
    }
}
