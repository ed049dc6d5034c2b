use std::path::Path;

use uuid::Uuid;

use crate::{Reason, files};

/// How long a name of a file system may be, in bytes.
const LONGEST: usize = 255;

/// Whether a name may be that of a file of this generation: its id, one of `.`, `_` and `-`, and whatever else is no path.
pub(crate) fn is_own(id: Uuid, name: &str) -> bool {
    let rest = name.strip_prefix(&id.to_string()).unwrap_or_default();
    rest.starts_with(['.', '_', '-']) && !name.contains(['/', '\0']) && name.len() <= LONGEST
}

/// The generation that a flat file would be of, by its name.
pub(crate) fn owner(name: &str) -> Option<Uuid> {
    let id: Uuid = name.get(..36)?.parse().ok()?;
    is_own(id, name).then_some(id)
}

/// Looks for a flat file of a generation.
pub(crate) fn look(root: &Path, id: Uuid, name: &str) -> Result<(), Reason> {
    if !is_own(id, name) {
        return Err(Reason::NotItsOwn);
    }
    let path = root.join(name);
    match std::fs::symlink_metadata(&path) {
        Err(_) => Err(Reason::NotThere),
        Ok(_) if files::file(&path).is_none() => Err(Reason::NoFile),
        Ok(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_its_generations_by_its_name_and_never_a_path() {
        let id = Uuid::from_u128(7);
        for own in [".html", "_style.css", "-notes (final).txt", ".\n", "_ümläut", "-.."] {
            assert!(is_own(id, &format!("{id}{own}")), "{own}");
            assert_eq!(owner(&format!("{id}{own}")), Some(id), "{own}");
        }
        for other in ["/../../etc/passwd", "./x", "", "x.html", "_a/b"] {
            assert!(!is_own(id, &format!("{id}{other}")), "{other}");
        }
        for other in ["", "..", "../x", "/etc/passwd", "readme.txt", &"ü".repeat(40)] {
            assert!(!is_own(id, other) && owner(other).is_none(), "{other}");
        }
        assert!(!is_own(id, &format!("{id}.{}", "x".repeat(255))));
    }
}
