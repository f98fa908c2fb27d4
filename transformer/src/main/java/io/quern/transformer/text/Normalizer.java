package io.quern.transformer.text;

/** What is done to a text before it is encoded. */
sealed interface Normalizer permits UnicodeForm, BertNormalizer {
    Normalizer NONE = UnicodeForm.NONE;

    String apply(String text);
}
