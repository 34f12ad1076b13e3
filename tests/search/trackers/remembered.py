"""A tracker in memory, which may be killed after any number of its writes."""


class Killed(BaseException):
    """Stands for a kill."""


class Remembered:
    """Rows of (run, number, mark, state, whole) in a list, in which a trial may be there twice.

    Parameters
    ----------
    rows : list
        What is there.
    said : dict
        The mark of each run.
    """

    def __init__(self, rows, said, run, writes=None):
        self.rows, self.said, self.run, self.left = rows, said, run, writes

    def write(self, row):
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Killed
        self.rows.append(row)

    def known(self):
        found = {}
        for run, number, mark, _, whole in self.rows:
            if run == self.run.id:
                found[number] = "" if number in found or not whole else mark
        return found

    def remove(self, numbers):
        for row in [row for row in self.rows if row[0] == self.run.id and row[1] in numbers]:
            if self.left is not None:
                self.left -= 1
                if self.left < 0:
                    raise Killed
            self.rows.remove(row)

    def add(self, trials):
        for trial in trials:
            self.write((self.run.id, trial.number, "", trial.state, False))
            self.write((self.run.id, trial.number, trial.mark, trial.state, True))
            self.rows.pop(-2)

    def conclude(self, run):
        new = self.said.get(run.id) != run.mark
        self.said[run.id] = run.mark
        return new

    def close(self):
        pass
