use sha2::{Digest, Sha256};

use crate::files::hexadecimal;

/// What a file system takes for a name, less what is put around it here.
const LONGEST: usize = 200;

/// The name of a project's folder: its id, in which everything but letters, digits, `-`, `_` and `.` (not in front) is written as
/// `%` and two digits, so that no id leads out of `projects/`, hides, or is another's. Of an id that is too long for a name there is
/// the beginning and a checksum.
///
/// ```
/// use generation_versions::project_folder;
///
/// assert_eq!(project_folder("atlas-7"), "atlas-7");
/// assert_eq!(project_folder("../etc/passwd"), "%2E.%2Fetc%2Fpasswd");
/// ```
#[must_use]
pub fn project_folder(id: &str) -> String {
    if id.is_empty() {
        return "%empty".to_owned();
    }
    let mut folder = String::new();
    for (index, byte) in id.bytes().enumerate() {
        let stays =
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || (byte == b'.' && index > 0);
        if stays { folder.push(char::from(byte)) } else { folder.push_str(&format!("%{byte:02X}")) }
    }
    if folder.len() > LONGEST {
        let digest = hexadecimal(&Sha256::digest(id.as_bytes()));
        folder.truncate(LONGEST / 2);
        folder.push_str("%~");
        folder.push_str(&digest);
    }
    folder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_id_has_a_folder_of_its_own_and_none_leads_out() {
        let long = "é".repeat(300);
        let longer = format!("{long}!");
        let ids = [
            "",
            ".",
            "..",
            "/",
            "../..",
            "a/b",
            "a%2Fb",
            "a\\b",
            "a\nb",
            "a b",
            "a.b",
            "%empty",
            "é",
            "\u{202e}x",
            &long,
            &longer,
        ];
        let folders: std::collections::BTreeSet<_> = ids.iter().map(|id| project_folder(id)).collect();
        assert_eq!(folders.len(), ids.len());
        for folder in folders {
            assert!(folder.len() < 255 && !folder.starts_with('.') && !folder.contains('/'), "{folder}");
            assert!(folder.bytes().all(|byte| byte.is_ascii_graphic()), "{folder}");
        }
    }
}
