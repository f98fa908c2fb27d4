package io.quern.transformer.generate;

/** When beam search may end before the token limit; it always needs as many finished sequences as there are beams. */
public enum EarlyStopping {
    /** At once. */
    TRUE,
    /** When the best running beam, at its present length, is no better than the worst finished sequence. */
    FALSE,
    /** When it could not get better up to the token limit either. */
    NEVER;

    /** The value in configurations: true, false or "never". */
    public static EarlyStopping parse(String text) {
        return switch (text) {
            case "true" -> TRUE;
            case "false" -> FALSE;
            case "never" -> NEVER;
            default -> throw new IllegalArgumentException("early_stopping is true, false or never, not '" + text + "'");
        };
    }

    @Override
    public String toString() {
        return name().toLowerCase(java.util.Locale.ROOT);
    }
}
