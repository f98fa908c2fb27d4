package io.quern.transformer.text;

import java.text.Normalizer.Form;

/** What is done to a text before it is encoded: nothing, or one of the four Unicode normal forms. */
enum Normalizer {
    NONE(null),
    NFC(Form.NFC),
    NFD(Form.NFD),
    NFKC(Form.NFKC),
    NFKD(Form.NFKD);

    private final Form form;

    Normalizer(Form form) {
        this.form = form;
    }

    String apply(String text) {
        return form == null ? text : java.text.Normalizer.normalize(text, form);
    }
}
