"""How pending items reach whoever classifies them; what is lost on the way is swept up again."""
