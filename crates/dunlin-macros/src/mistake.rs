use proc_macro::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};

/// Why a macro can't be expanded, and which part of its input the compiler should point at.
pub(crate) struct Mistake {
    span: Span,
    message: String,
}

impl Mistake {
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into() }
    }

    pub(crate) fn into_compile_error(self) -> TokenStream {
        let punct = |c, spacing| TokenTree::from(Punct::new(c, spacing));
        let message = TokenStream::from(TokenTree::from(Literal::string(&self.message)));
        let tokens = [
            punct(':', Spacing::Joint),
            punct(':', Spacing::Alone),
            Ident::new("core", self.span).into(),
            punct(':', Spacing::Joint),
            punct(':', Spacing::Alone),
            Ident::new("compile_error", self.span).into(),
            punct('!', Spacing::Alone),
            Group::new(Delimiter::Brace, message).into(),
        ];
        let span = self.span;
        tokens
            .into_iter()
            .map(|mut token| {
                token.set_span(span);
                token
            })
            .collect()
    }
}
