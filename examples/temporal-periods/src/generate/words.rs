use fastrand::Rng;

/// Words of many languages, and what people put between them.
const WORDS: [&str; 32] = [
    "tide",
    "harbour",
    "it's",
    "\"quoted\"",
    "Küste",
    "naïve",
    "Ærø",
    "straße",
    "İstanbul",
    "река",
    "море",
    "θάλασσα",
    "שלום",
    "مرحبا",
    "海岸",
    "潮汐",
    "かもめ",
    "갈매기",
    "🦆",
    "👩‍🚀",
    "e\u{301}tude",
    "tab\there",
    "line\nbreak",
    "back\\slash",
    "100%",
    "$1",
    "{}",
    "null",
    "--",
    "/*",
    "; DROP",
    "C:\\temp",
];

/// A few words.
pub(super) fn phrase(rng: &mut Rng, count: usize) -> String {
    let mut text = String::new();
    for index in 0..count {
        if index > 0 {
            text.push(' ');
        }
        text.push_str(rng.choice(WORDS).unwrap_or_default());
    }
    text
}

/// Many of them.
pub(super) fn sentence(rng: &mut Rng) -> String {
    let count = rng.usize(6..24);
    phrase(rng, count)
}
