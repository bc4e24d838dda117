"""Hoeffding trees and forests as experts, and the path that explains an answer of theirs."""
