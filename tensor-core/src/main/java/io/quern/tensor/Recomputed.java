package io.quern.tensor;

import io.quern.tensor.op.CustomOp;
import java.util.Collections;
import java.util.List;
import java.util.function.UnaryOperator;

/** What {@link Tape#recompute} leaves on the tape: a function to run again on the way back. */
final class Recomputed extends CustomOp {
    private final Tape tape;
    private final Tensor x;
    private final UnaryOperator<Tensor> body;

    Recomputed(Tape tape, Tensor x, UnaryOperator<Tensor> body) {
        this.tape = tape;
        this.x = x;
        this.body = body;
    }

    @Override
    public String name() {
        return "recompute";
    }

    @Override
    public List<Tensor> inputs() {
        return List.of(x);
    }

    @Override
    public Layout layout(int i) {
        return Layout.ANY;
    }

    @Override
    public List<Spec> outputs() {
        return List.of();
    }

    @Override
    public Saves saves() {
        return Saves.inputs(0);
    }

    @Override
    public List<Tensor> gradient(Backward b) {
        return Collections.singletonList(tape.again(x, body, b.gradient(0)));
    }

    @Override
    public void runOnHost(Tensor[] in, Tensor[] out) {
        throw new AssertionError("recorded, never run as an operation");
    }
}
