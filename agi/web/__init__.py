"""Who is looking, and who posts: what dialdip serves by HTTP."""
