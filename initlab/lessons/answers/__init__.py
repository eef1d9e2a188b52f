"""Right and wrong answers to the exercises, one module for each lesson: `RIGHT` and `WRONG`.

The tests judge each of them: a right one must be "correct", and a wrong one must be recognised by
the name of its mistake (None where no name fits). They are written as learners write them.
"""
