"""People: who may do what, where people sign in, and the log of who did it."""

import pandas as pd
import streamlit as st

from dashboard.sign_in import ADMINS_VARIABLE, admins, auth_secrets
from dashboard.state import open_workspace, reviewer, say_after_rerun, sentences, show_said
from data.store.actors import ROLES

workspace = open_workspace()
store = workspace.store
reviewer()
st.title("People")
show_said()
if auth_secrets() is None:
    st.info("Nobody signs in here: whoever reaches this dashboard is an admin. docs/security.md says how to change that.")
else:
    named = ", ".join(sorted(admins())) or "none"
    st.caption(f"Each role may do what those before it may: {', '.join(ROLES)}. Admins by {ADMINS_VARIABLE}: {named}.")
    roles = store.roles()
    st.dataframe(pd.DataFrame(list(roles.items()), columns=["who", "role"]), hide_index=True, width=520)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        email = st.text_input("Who", placeholder="ann@example.org", width=260)
        role = st.selectbox("Role", [*ROLES, "none"], width=160)
        if st.button("Set", type="primary", disabled=not email):
            with sentences():
                store.set_role(email, None if role == "none" else role)
            say_after_rerun(f"{email} is {role} now.")
st.subheader("Who did what")
st.caption("The newest 200; nothing in it can be changed.")
log = pd.DataFrame([vars(entry) for entry in store.audit()], columns=["at", "actor", "role", "action", "target"])
st.dataframe(log, hide_index=True, width="stretch", column_config={"at": st.column_config.DatetimeColumn("when (UTC)")})
