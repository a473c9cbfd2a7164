"""THE MODERATORS' PANEL.

Pages below `/admin`: sign-in, the review lane, history, policy, figures. Calls the same services as
the API, by roles that it states in `admin.ports`. Refuses to know databases and Parse's JSON.
"""
