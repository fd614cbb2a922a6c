//! Spans → one answer per token.

use super::Token;
use crate::text::Span;

/// The tokens of one document and, for each, whether the loss is taken on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenMask {
    pub tokens: Vec<Token>,
    /// Same length as `tokens`; `true` = learned from, `false` = kept for context only.
    pub learn: Vec<bool>,
}

/// Masks every token that shares at least one byte with a masked span. A token that stands for no
/// byte of its own takes the answer of the character it lies at. `masked` need not be sorted or
/// disjoint.
#[must_use]
pub fn mask(tokens: Vec<Token>, masked: &[Span]) -> TokenMask {
    let mut spans = masked.to_vec();
    spans.retain(|span| !span.is_empty());
    crate::text::span::merge(&mut spans);
    let learn = tokens.iter().map(|token| !touches(&spans, token.span)).collect();
    TokenMask { tokens, learn }
}

fn touches(spans: &[Span], token: Span) -> bool {
    let after = spans.partition_point(|span| span.end <= token.start);
    let Some(span) = spans.get(after) else { return false };
    if token.is_empty() { span.start <= token.start } else { span.start < token.end }
}

impl TokenMask {
    /// Maximal runs of masked tokens as byte ranges of the text: what the spans became once they
    /// were widened to whole tokens.
    #[must_use]
    pub fn masked_ranges(&self) -> Vec<Span> {
        let mut ranges: Vec<Span> = self
            .tokens
            .iter()
            .zip(&self.learn)
            .filter(|(token, learn)| !**learn && !token.span.is_empty())
            .map(|(token, _)| token.span)
            .collect();
        crate::text::span::merge(&mut ranges);
        ranges
    }

    /// Adds a token that ends the document, at `end` of its text; it is learned.
    pub fn end(&mut self, id: u32, end: usize) {
        self.tokens.push(Token { id, span: Span::new(end, end) });
        self.learn.push(true);
    }

    /// Tokens that are learned from.
    #[must_use]
    pub fn learned(&self) -> usize {
        self.learn.iter().filter(|learn| **learn).count()
    }
}
