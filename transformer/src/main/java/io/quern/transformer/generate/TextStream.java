package io.quern.transformer.generate;

import io.quern.transformer.text.StreamingDecoder;
import io.quern.transformer.text.Tokenizer;
import java.util.List;

/**
 * The text of a sequence as it is generated, up to a stop string. What might be the beginning of a stop string is held back
 * until that is decided, so no part of one is ever shown.
 */
final class TextStream {
    private final StreamingDecoder decoder;
    private final List<String> stops;
    private final StringBuilder held = new StringBuilder();
    private final StringBuilder text = new StringBuilder();
    private boolean stopped;

    /** Special tokens are left out of the text. */
    TextStream(Tokenizer tokenizer, List<String> stops) {
        this.decoder = new StreamingDecoder(tokenizer, true);
        this.stops = stops;
    }

    /** The text that is certain now. */
    String push(int token) {
        held.append(decoder.push(token));
        int stop = firstStop();
        if (stop >= 0) {
            stopped = true;
            held.setLength(stop);
            return take(stop);
        }
        return take(held.length() - undecided());
    }

    /** Whether the text has come to a stop string. */
    boolean isStopped() {
        return stopped;
    }

    /** Ends the text: what was held back, unless a stop string ended it. */
    String end() {
        if (!stopped) {
            held.append(decoder.flush());
        }
        return take(held.length());
    }

    /** All text so far. */
    String text() {
        return text.toString();
    }

    private String take(int length) {
        String piece = held.substring(0, length);
        held.delete(0, length);
        text.append(piece);
        return piece;
    }

    private int firstStop() {
        int first = -1;
        for (String s : stops) {
            int at = held.indexOf(s);
            if (at >= 0 && (first < 0 || at < first)) {
                first = at;
            }
        }
        return first;
    }

    /** Length of the longest end of the text that begins a stop string. */
    private int undecided() {
        int longest = 0;
        for (String s : stops) {
            for (int n = Math.min(s.length() - 1, held.length()); n > longest; n--) {
                if (s.startsWith(held.substring(held.length() - n))) {
                    longest = n;
                }
            }
        }
        return longest;
    }
}
