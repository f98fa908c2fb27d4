package io.quern.cli;

import java.util.Arrays;

/** Lists of token ids on the command line. */
final class TokenIds {
    private TokenIds() {}

    /** Reads ids separated by commas or white space. */
    static int[] parse(String name, String list) {
        return Arrays.stream(list.strip().split("[,\\s]+"))
                .filter(s -> !s.isEmpty())
                .mapToInt(s -> parseOne(name, s))
                .toArray();
    }

    /** Says which id the model does not have. */
    static void check(int[] ids, int vocabulary) {
        for (int i = 0; i < ids.length; i++) {
            if (ids[i] >= vocabulary) {
                throw new io.quern.tensor.TensorException(
                        "token " + ids[i] + " at position " + i + " is not in the model's vocabulary of " + vocabulary);
            }
        }
    }

    /** Ids separated by spaces. */
    static String join(int[] ids) {
        return Arrays.stream(ids).mapToObj(Integer::toString).collect(java.util.stream.Collectors.joining(" "));
    }

    private static int parseOne(String name, String s) {
        try {
            int id = Integer.parseInt(s);
            if (id >= 0) {
                return id;
            }
        } catch (NumberFormatException e) {
            // the message below names the text
        }
        throw new Errors.UsageException(name + ": '" + s + "' is not a token id; give numbers such as 15496,995");
    }
}
