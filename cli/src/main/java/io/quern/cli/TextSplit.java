package io.quern.cli;

import io.quern.tensor.TensorException;
import io.quern.train.data.LabelledTexts;
import io.quern.train.data.Table;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/** Texts with classes, for training and for the test, which have the same classes. */
record TextSplit(LabelledTexts train, LabelledTexts test) {
    /**
     * Reads what the options name.
     *
     * @throws TensorException if a file or a column is missing, or a part is empty
     */
    static TextSplit read(TrainTextOptions o) throws IOException {
        Table all = Table.read(o.data);
        Table train = all;
        Table test;
        if (o.test != null) {
            test = Table.read(o.test);
        } else if (o.split != null) {
            train = all.where(o.split, "train");
            test = all.where(o.split, "test");
        } else {
            List<List<String>> rows = shuffled(all.rows(), o.seed);
            int cut = (int) Math.round(rows.size() * (1 - o.testPart));
            train = new Table(all.columns(), rows.subList(0, cut));
            test = new Table(all.columns(), rows.subList(cut, rows.size()));
        }
        if (train.rows().isEmpty() || test.rows().isEmpty()) {
            throw new TensorException(o.data + ": there are " + train.rows().size() + " texts for training and "
                    + test.rows().size() + " for the test; both need one or more");
        }
        LabelledTexts known = train.texts(o.textColumn, o.labelColumn);
        if (known.labels().size() < 2) {
            throw new TensorException(o.data + ": all texts for training are of the class '"
                    + known.labels().getFirst() + "': there is nothing to tell apart");
        }
        return new TextSplit(known, test.texts(o.textColumn, o.labelColumn, known.labels()));
    }

    private static List<List<String>> shuffled(List<List<String>> rows, long seed) {
        List<List<String>> all = new ArrayList<>(rows);
        Collections.shuffle(all, new Random(seed));
        return all;
    }
}
