use std::{any::Any, process::ExitCode};

/// Which end of a test the test harness takes for a pass.
///
/// Not part of the public API; it may change in any release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passes {
    /// That it returns, and not an `Err`.
    ByReturning,
    /// `#[should_panic]`: that it panics, with this in its message if it is given.
    ByPanicking {
        /// What `expected` says.
        expected: Option<&'static str>,
    },
}

impl Passes {
    /// Whether a test that has returned this has passed.
    pub(crate) fn when_returned(self, code: ExitCode) -> bool {
        self == Self::ByReturning && code == ExitCode::SUCCESS
    }

    /// Whether a test that has panicked with this has passed. A payload that is no text can't be what was expected.
    pub(crate) fn when_panicked(self, payload: &(dyn Any + Send)) -> bool {
        let text = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&'static str>().copied());
        match self {
            Self::ByReturning => false,
            Self::ByPanicking { expected: None } => true,
            Self::ByPanicking { expected: Some(expected) } => {
                text.is_some_and(|text| text.contains(expected))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_passes_as_the_harness_says() {
        let returning = Passes::ByReturning;
        assert!(returning.when_returned(ExitCode::SUCCESS));
        assert!(!returning.when_returned(ExitCode::FAILURE));
        assert!(!returning.when_panicked(&"out of birds"));
    }

    #[test]
    fn a_test_that_should_panic_passes_by_a_panic_that_says_what_is_expected() {
        let panicking = |expected| Passes::ByPanicking { expected };
        assert!(!panicking(None).when_returned(ExitCode::SUCCESS));
        assert!(panicking(None).when_panicked(&7));
        assert!(panicking(Some("birds")).when_panicked(&"out of birds"));
        assert!(panicking(Some("birds")).when_panicked(&"out of birds".to_owned()));
        assert!(!panicking(Some("birds")).when_panicked(&"out of luck"));
        assert!(!panicking(Some("birds")).when_panicked(&7));
    }
}
