package io.quern.transformer.text;

import java.text.Normalizer.Form;

/** Nothing, or one of the four Unicode normal forms. */
enum UnicodeForm implements Normalizer {
    NONE(null),
    NFC(Form.NFC),
    NFD(Form.NFD),
    NFKC(Form.NFKC),
    NFKD(Form.NFKD);

    private final Form form;

    UnicodeForm(Form form) {
        this.form = form;
    }

    @Override
    public String apply(String text) {
        return form == null ? text : java.text.Normalizer.normalize(text, form);
    }
}
