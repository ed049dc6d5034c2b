//! `FAULTS.md` says what there is.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const TABLE: &str = include_str!("../../../FAULTS.md");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The cells of the rows: ids, what it is, tests, what is left out.
fn rows() -> Vec<[&'static str; 4]> {
    let rows = TABLE.lines().filter(|line| line.starts_with("| F"));
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        cells.try_into().unwrap_or_else(|_| panic!("not four cells: {row}"))
    })
    .collect()
}

/// What stands in backquotes.
fn tests(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn every_fault_has_a_test_or_a_reason() {
    let rows = rows();
    let mut ids: BTreeSet<String> = (1..=67).map(|number| format!("F{number:02}")).collect();
    ids.insert("F30b".to_owned());
    let there: Vec<_> = rows.iter().flat_map(|[ids, ..]| ids.split(' ')).map(str::to_owned).collect();
    assert_eq!(there.len(), ids.len(), "an id has two rows");
    assert_eq!(there.into_iter().collect::<BTreeSet<_>>(), ids);
    for [id, _, cell, reason] in rows {
        assert!(tests(cell).next().is_some() || !reason.is_empty(), "{id} has neither test nor reason");
    }
}

#[test]
fn every_test_of_the_table_is_there() {
    for [id, _, cell, _] in rows() {
        for test in tests(cell) {
            let (path, name) = test.split_once("::").unwrap_or((test, ""));
            let text = fs::read_to_string(root().join(path)).unwrap_or_else(|_| panic!("{id}: no {path}"));
            assert!(name.is_empty() || text.contains(&format!("fn {name}(")), "{id}: no {test}");
        }
    }
}

#[test]
fn every_test_with_an_id_is_in_the_row_of_its_fault() {
    let mut found = 0;
    for folder in ["crates", "tests", "examples"] {
        each_file(&root().join(folder), &mut |path| {
            let relative = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
            let text = fs::read_to_string(path).unwrap();
            for name in
                text.split("fn f").skip(1).filter_map(|rest| rest.split_once('(')).map(|(name, _)| name)
            {
                let Some((number, _)) = name.split_once('_') else { continue };
                if number.len() < 2 || !number.starts_with(|c: char| c.is_ascii_digit()) {
                    continue;
                }
                let id = format!("F{number}");
                let row = rows().into_iter().find(|[ids, ..]| *ids == id);
                let [_, _, cell, _] = row.unwrap_or_else(|| panic!("f{name} is of no fault"));
                let test = format!("{relative}::f{name}");
                assert!(tests(cell).any(|listed| listed == test), "{test} is not in FAULTS.md");
                found += 1;
            }
        });
    }
    assert!(found > 50, "{found}");
}

fn each_file(folder: &Path, see: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if !path.ends_with("target") {
                each_file(&path, see);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            see(&path);
        }
    }
}
