/// What a page is called, and where it finds what belongs to it.
///
/// ```
/// use dunlin_axum::PageOptions;
///
/// let options = PageOptions::new().title("Database of orders").events("progress");
/// # let _ = options;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageOptions {
    pub(crate) title: String,
    pub(crate) events: String,
    pub(crate) json: Option<String>,
}

impl PageOptions {
    /// Called "Migrations", with its events at `events` and the JSON at `../migrations`, both relative to the page: as in
    /// [`migrations`](crate::migrations).
    #[must_use]
    pub fn new() -> Self {
        Self {
            title: "Migrations".to_owned(),
            events: "events".to_owned(),
            json: Some("../migrations".to_owned()),
        }
    }

    /// What the page is called.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// The address of the events, absolute or relative to that of the page. It must be of the same origin.
    #[must_use]
    pub fn events(mut self, address: impl Into<String>) -> Self {
        self.events = address.into();
        self
    }

    /// The address of the JSON, absolute or relative to that of the page.
    #[must_use]
    pub fn json(mut self, address: impl Into<String>) -> Self {
        self.json = Some(address.into());
        self
    }

    /// A page without a link to the JSON.
    #[must_use]
    pub fn without_json(mut self) -> Self {
        self.json = None;
        self
    }
}

impl Default for PageOptions {
    fn default() -> Self {
        Self::new()
    }
}
