"""Mails to an app's users: composed elsewhere, sent here."""
