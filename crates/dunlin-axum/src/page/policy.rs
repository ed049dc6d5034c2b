use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::page::{SCRIPT, STYLE};

/// Made once: it is the same for each page.
pub(crate) static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| STANDARD.encode(hmac_sha256::Hash::hash(text.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
});

/// The `Content-Security-Policy` that a [`document`](crate::document) should be sent with: its own style and script, events of its
/// origin, and nothing else.
#[must_use]
pub fn content_security_policy() -> &'static str {
    &POLICY
}
