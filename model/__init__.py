"""Arrays: data sets, softmax regression and the packed trainer."""
