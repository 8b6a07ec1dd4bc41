import './catalog.css';
import './notebook.css';
