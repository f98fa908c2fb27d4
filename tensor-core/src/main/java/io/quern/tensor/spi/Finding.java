package io.quern.tensor.spi;

/**
 * Something that was looked for on this machine.
 *
 * @param what was looked for, a word such as {@code cublas}
 * @param found what there is, or that there is none
 * @param remedy how to get what is missing; null where nothing is
 */
public record Finding(String what, String found, String remedy) {
    /** What there is. */
    public static Finding of(String what, String found) {
        return new Finding(what, found, null);
    }

    /** Something is missing. */
    public static Finding missing(String what, String found, String remedy) {
        return new Finding(what, found, remedy);
    }
}
