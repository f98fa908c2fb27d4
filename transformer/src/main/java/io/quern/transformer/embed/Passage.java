package io.quern.transformer.embed;

/**
 * A piece of a text that is found as a whole.
 *
 * @param source the file or whatever the text is from
 * @param line the line on which it begins, from 1
 * @param text itself
 */
public record Passage(String source, int line, String text) {}
