package io.quern.transformer.text;

import java.util.ArrayList;
import java.util.List;

/**
 * The special tokens that go around a text, and around two.
 *
 * @param single the pieces of an encoded text, in order
 * @param pair those of an encoded pair; empty where there is no such thing
 */
record Frame(List<Piece> single, List<Piece> pair) {
    /**
     * A text or a special token.
     *
     * @param text 0 or 1 for the texts, -1 for a token
     * @param id of the token
     * @param type the token type of the piece's tokens
     */
    record Piece(int text, int id, int type) {
        static Piece text(int text, int type) {
            return new Piece(text, -1, type);
        }

        static Piece token(int id, int type) {
            return new Piece(-1, id, type);
        }

        boolean isToken() {
            return text < 0;
        }
    }

    static final Frame NONE = around(List.of(), List.of());

    Frame {
        single = List.copyOf(single);
        pair = List.copyOf(pair);
    }

    /** The same tokens before and after each text. */
    static Frame around(List<Integer> before, List<Integer> after) {
        List<Piece> pair = new ArrayList<>();
        List<Piece> single = List.of();
        for (int text = 0; text < 2; text++) {
            int type = text;
            before.forEach(id -> pair.add(Piece.token(id, type)));
            pair.add(Piece.text(text, type));
            after.forEach(id -> pair.add(Piece.token(id, type)));
            single = text == 0 ? List.copyOf(pair) : single;
        }
        return new Frame(single, pair);
    }

    /** BERT's: [CLS] A [SEP] B [SEP]. */
    static Frame bert(int cls, int sep) {
        List<Piece> single = List.of(Piece.token(cls, 0), Piece.text(0, 0), Piece.token(sep, 0));
        List<Piece> pair = new ArrayList<>(single);
        pair.add(Piece.text(1, 1));
        pair.add(Piece.token(sep, 1));
        return new Frame(single, pair);
    }

    /** RoBERTa's: &lt;s&gt; A &lt;/s&gt; &lt;/s&gt; B &lt;/s&gt;, all of one type. */
    static Frame roberta(int cls, int sep) {
        List<Piece> single = List.of(Piece.token(cls, 0), Piece.text(0, 0), Piece.token(sep, 0));
        List<Piece> pair = new ArrayList<>(single);
        pair.add(Piece.token(sep, 0));
        pair.add(Piece.text(1, 0));
        pair.add(Piece.token(sep, 0));
        return new Frame(single, pair);
    }

    /** The tokens before a text. */
    List<Integer> before() {
        return single.subList(0, place()).stream().map(Piece::id).toList();
    }

    /** The tokens after a text. */
    List<Integer> after() {
        return single.subList(place() + 1, single.size()).stream()
                .map(Piece::id)
                .toList();
    }

    private int place() {
        for (int i = 0; i < single.size(); i++) {
            if (!single.get(i).isToken()) {
                return i;
            }
        }
        throw new IllegalStateException("a frame without a text");
    }

    /** All ids that the frame adds. */
    List<Integer> tokens() {
        List<Integer> all = new ArrayList<>();
        single.stream().filter(Piece::isToken).forEach(p -> all.add(p.id()));
        pair.stream().filter(Piece::isToken).forEach(p -> all.add(p.id()));
        return all;
    }

    /** Puts the pieces together. */
    static Encoding join(List<Piece> pieces, int[]... texts) {
        int n = 0;
        for (Piece p : pieces) {
            n += p.isToken() ? 1 : texts[p.text()].length;
        }
        int[] ids = new int[n];
        int[] types = new int[n];
        int at = 0;
        for (Piece p : pieces) {
            int[] some = p.isToken() ? new int[] {p.id()} : texts[p.text()];
            System.arraycopy(some, 0, ids, at, some.length);
            java.util.Arrays.fill(types, at, at + some.length, p.type());
            at += some.length;
        }
        return new Encoding(ids, types);
    }
}
