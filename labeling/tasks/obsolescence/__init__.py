"""The task `obsolescence`: is an answer out of date?"""
