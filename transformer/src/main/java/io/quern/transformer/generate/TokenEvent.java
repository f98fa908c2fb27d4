package io.quern.transformer.generate;

import io.quern.tensor.Jfr;
import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** A token found; see docs/jfr.md. Touched only where {@link Jfr#isOn}. */
@Name("io.quern.Token")
@Label("Token")
@Category({"Quern", "Decoding"})
@Description(
        "A step of decoding: the model's run and the choice of a token for every sequence; the first has the prompt")
@StackTrace(false)
final class TokenEvent extends Event {
    @Label("Position")
    @Description("Tokens before the new one, the prompt's included")
    private int position;

    @Label("Sequences")
    @Description("That the step worked on: returned ones or beams")
    private int sequences;

    @Label("Prompt Tokens")
    @Description("Read by the first step")
    private int promptTokens;

    private TokenEvent() {}

    /** An event that has begun, or null if none is recorded. */
    static TokenEvent start() {
        TokenEvent e = new TokenEvent();
        if (!e.isEnabled()) {
            return null;
        }
        e.begin();
        return e;
    }

    /** Ends the event and records it. */
    void finish(int at, int working, int prompt) {
        end();
        if (!shouldCommit()) {
            return;
        }
        position = at;
        sequences = working;
        promptTokens = prompt;
        commit();
    }
}
