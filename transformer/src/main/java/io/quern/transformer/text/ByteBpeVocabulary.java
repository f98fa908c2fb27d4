package io.quern.transformer.text;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * What makes a tokenizer of GPT-2's kind, for files that hold it in a form of their own.
 *
 * @param tokens by id, as the vocabulary writes them, added tokens included
 * @param merges two tokens with a space between, in the order of their rank
 * @param added tokens that are cut out of a text first
 * @param roles ids by role, such as "eos"
 * @param addBos whether the token of the role "bos" begins every text
 */
public record ByteBpeVocabulary(
        List<String> tokens, List<String> merges, List<AddedToken> added, Map<String, Integer> roles, boolean addBos) {
    /**
     * The parts of a tokenizer.
     *
     * @throws TokenizerException if it is not of GPT-2's kind, or does more than this record can say
     */
    public static ByteBpeVocabulary of(Tokenizer tokenizer) {
        if (!(tokenizer instanceof TokenizerPipeline p
                && p.model() instanceof ByteBpe bpe
                && p.normalizer() == Normalizer.NONE
                && bpe.options().equals(ByteBpe.Options.GPT2))) {
            throw new TokenizerException("the tokenizer is not of GPT-2's kind (byte-level BPE, GPT-2's splitting of"
                    + " texts, no normalizer, no added space)");
        }
        Integer bos = p.specialTokens().roles().get("bos");
        boolean addBos = bos != null && p.frame().before().equals(List.of(bos));
        if (!p.frame().after().isEmpty() || !addBos && !p.frame().before().isEmpty()) {
            throw new TokenizerException(
                    "the tokenizer puts special tokens around a text that are not just a bos token");
        }
        List<String> tokens = new ArrayList<>();
        for (int id = 0; id < p.vocabSize(); id++) {
            tokens.add(p.idToToken(id));
        }
        List<String> merges = new ArrayList<>();
        Vocabulary v = bpe.vocabulary();
        for (int rank = 0; rank < bpe.merges().size(); rank++) {
            merges.add(v.token(bpe.merges().left(rank)) + " "
                    + v.token(bpe.merges().right(rank)));
        }
        return new ByteBpeVocabulary(
                tokens, merges, p.addedTokens(), p.specialTokens().roles(), addBos);
    }

    /**
     * The tokenizer.
     *
     * @param source where the parts are from, for messages
     * @throws TokenizerException if they contradict each other
     */
    public Tokenizer build(String source) {
        List<ByteBpe.Merge> pairs = new ArrayList<>(merges.size());
        for (String merge : merges) {
            pairs.add(MergesTxt.parse(merge, source, "merge", pairs.size() + 1));
        }
        ByteBpe model = ByteBpe.of(Vocabulary.of(tokens, source), pairs, ByteBpe.Options.GPT2, source);
        TokenizerParts parts = new TokenizerParts(source, model, Normalizer.NONE);
        added.forEach(parts::addAt);
        roles.forEach((role, id) -> {
            if (id < 0 || id >= tokens.size()) {
                throw new TokenizerException(source + ": the " + role + " token has id " + id + ", but there are only "
                        + tokens.size() + " tokens");
            }
            parts.role(role, id);
        });
        if (addBos && parts.role("bos") != null) {
            parts.frame(Frame.around(List.of(parts.role("bos")), List.of()));
        }
        return parts.build();
    }
}
